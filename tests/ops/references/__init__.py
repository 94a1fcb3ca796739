"""What each function body computes, in NumPy and float64: one function an operator, written from the design (section 2).

They take the operator's inputs in the order of its ports, absent ones as ``None``, and its attributes by name; they return all
outputs. They import nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from tests.ops.references import activation, arithmetic, dense, gradients, heads, local, packed, updates

__all__ = ["REFERENCES", "Reference"]

Reference = Callable[..., tuple[NDArray[Any], ...]]

REFERENCES: Mapping[str, Reference] = {
    "RealDense": dense.real_dense,
    "SignDense": dense.binary_dense,
    "BinaryDense": dense.binary_dense,
    "ScaleSums": dense.scale_sums,
    "BinaryActivation": activation.binary_activation,
    "BinaryToReal": activation.binary_to_real,
    "StraightThroughGrad": activation.straight_through_grad,
    "ReluGrad": activation.relu_grad,
    "HeadLogits": heads.head_logits,
    "HeadGrad": heads.head_grad,
    "SoftmaxCrossEntropy": heads.softmax_cross_entropy,
    "MeanSquaredError": heads.mean_squared_error,
    "DenseSliceGrad": gradients.dense_slice_grad,
    "CenterInput": gradients.center_input,
    "BiasSliceGrad": gradients.bias_slice_grad,
    "DenseSgdStep": gradients.dense_sgd_step,
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
