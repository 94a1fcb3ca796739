"""What each function body computes, in NumPy and float64: one function an operator, written from the design (section 2).

They take the operator's inputs in the order of its ports, absent ones as ``None``, and its attributes by name; they return all
outputs. They import nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from tests.ops.references import (
    activation,
    arithmetic,
    conv,
    dense,
    elementwise,
    gradients,
    heads,
    local,
    packed,
    pooling,
    updates,
)

__all__ = ["REFERENCES", "Reference"]

Reference = Callable[..., tuple[NDArray[Any], ...]]

REFERENCES: Mapping[str, Reference] = {
    "RealDense": dense.real_dense,
    "SignDense": dense.binary_dense,
    "BinaryDense": dense.binary_dense,
    "ScaleSums": dense.scale_sums,
    "BinaryActivation": activation.binary_activation,
    "BinaryToReal": activation.binary_to_real,
    "StraightThroughGrad": elementwise.straight_through_grad,
    "SavedChannels": elementwise.saved_channels,
    "ReluGrad": elementwise.relu_grad,
    "ClipGrad": elementwise.clip_grad,
    "LeakyReluGrad": elementwise.leaky_relu_grad,
    "SigmoidGrad": elementwise.sigmoid_grad,
    "TanhGrad": elementwise.tanh_grad,
    "HardSigmoidGrad": elementwise.hard_sigmoid_grad,
    "HardSwishGrad": elementwise.hard_swish_grad,
    "SoftmaxGrad": elementwise.softmax_grad,
    "ChannelScaleGrad": elementwise.channel_scale_grad,
    "BatchNormalizationGrad": elementwise.batch_normalization_grad,
    "RunningBatchNormalization": pooling.running_batch_normalization,
    "ShiftSgdStep": pooling.shift_sgd_step,
    "MaxPoolGrad": pooling.max_pool_grad,
    "AveragePoolGrad": pooling.average_pool_grad,
    "WindowCounts": pooling.window_counts,
    "GlobalAveragePoolGrad": pooling.global_average_pool_grad,
    "SpreadChannels": pooling.spread_channels,
    "LRNGrad": pooling.lrn_grad,
    "SumNeighbours": pooling.sum_neighbours,
    "HeadLogits": heads.head_logits,
    "HeadGrad": heads.head_grad,
    "HeadWeightGrad": heads.head_weight_grad,
    "SoftmaxCrossEntropy": heads.softmax_cross_entropy,
    "BinaryCrossEntropy": heads.binary_cross_entropy,
    "MeanSquaredError": heads.mean_squared_error,
    "DenseSliceGrad": gradients.dense_slice_grad,
    "CenterInput": gradients.center_input,
    "BiasSliceGrad": gradients.bias_slice_grad,
    "DenseSgdStep": gradients.dense_sgd_step,
    "RealConv": conv.real_conv,
    "SignConv": conv.binary_conv,
    "BinaryConv": conv.binary_conv,
    "ConvSliceGrad": conv.conv_slice_grad,
    "ConvKernel": conv.conv_kernel,
    "MergeSlice": conv.merge_slice,
    "ConvSixteenBits": conv.conv_sixteen_bits,
    "ScaleChannelSums": conv.scale_channel_sums,
    "ShiftChannels": conv.shift_channels,
    "ExchangeChannels": conv.exchange_channels,
    "KernelToMatrix": conv.kernel_to_matrix,
    "SliceGroups": conv.slice_groups,
    "GroupInputs": conv.group_inputs,
    "PlaceChannels": conv.place_channels,
    "SumPositions": conv.sum_positions,
    "RealLocallyConnected": local.real_local,
    "SignLocallyConnected": local.binary_local,
    "BinaryLocallyConnected": local.binary_local,
    "LocallyConnectedSliceGrad": local.local_slice_grad,
    "ScaleLocationSums": local.scale_location_sums,
    "WindowPlaces": local.window_places,
    "WindowSteps": local.window_steps,
    "PadImage": local.pad_image,
    "GatherPatches": local.gather_patches,
    "GatherColumns": local.gather_columns,
    "PlaceLocations": local.place_locations,
    "PlaceBias": local.place_bias,
    "SgdUpdate": updates.sgd_update,
    "MomentumUpdate": updates.momentum_update,
    "AdamUpdate": updates.adam_update,
    "PackSigns": updates.pack_signs,
    "ClipTo": updates.clip_to,
    "SplitOrigin": arithmetic.split_origin,
    "SplitPart": arithmetic.split_part,
    "SliceColumns": arithmetic.slice_columns,
    "PlaceColumns": arithmetic.place_columns,
    "SplitSixteenBits": arithmetic.split_sixteen_bits,
    "JoinSixteenBits": arithmetic.join_sixteen_bits,
    "PackBits": packed.pack_bits,
    "PackSignRows": packed.pack_sign_rows,
    "UnpackBits": packed.unpack_bits,
    "UnpackHead": packed.unpack_head,
    "UnpackSigns": packed.unpack_signs,
    "UnpackSlice": packed.unpack_slice,
}
