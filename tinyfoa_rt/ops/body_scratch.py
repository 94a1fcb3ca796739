"""What operators hold beside inputs and outputs, in bytes: the function bodies of graphs/ops on onnxruntime, and C kernels.

onnxruntime frees a value after its last use, and does not write the result of Mul, Add or Sub over an input. The rules below
add up the intermediate values of the busiest step of each body; `tools/bench/ort_memory.py` measures whole steps with a counting
allocator. The C kernels hold nothing but an input that they quantize.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.ir.target import Target
from tinyfoa_rt.ops.conv_scratch import CONV_RULES
from tinyfoa_rt.ops.local_scratch import LOCAL_RULES
from tinyfoa_rt.ops.row import ScratchRule, Types
from tinyfoa_rt.ops.vjp_scratch import VJP_RULES

__all__ = ["body_scratch", "early_scratch"]

_REAL = 4  # bytes of float32 and int32


def body_scratch(name: str) -> ScratchRule:
    """Return the scratch rule of an operator: that of its body on onnxruntime, of its kernel in C99."""
    rules = {"ort": _RULES.get(name), "c99": _KERNEL_RULES.get(name)}

    def scratch(target: Target, inputs: Types, outputs: Sequence[TensorType], attributes: Mapping[str, Attribute]) -> int:
        if target.runtime == "ort" and name in CONV_RULES:
            return CONV_RULES[name](inputs, outputs, attributes)
        rule = rules[target.runtime]
        if rule is None or (target.runtime == "ort" and name in _EARLY and _has_positions(outputs, attributes)):
            return 0
        return rule(inputs, outputs)

    return scratch


def early_scratch(name: str) -> ScratchRule:
    """Return the rule for what onnxruntime computes before it computes the gradient that comes in.

    It runs a node's newest branch first, so what a body derives from saved inputs alone is there from the loss on: rows of the
    head and factors of windows, in float32. What ReluGrad derives takes the place of the value that it is saved from. Of dense
    blocks all this is little beside their weights, and is left out. What momentum keeps of a velocity is there before the
    gradient is computed; when it is gone, the moved slice takes its place.
    """

    def early(target: Target, inputs: Types, outputs: Sequence[TensorType], attributes: Mapping[str, Attribute]) -> int:
        if target.runtime == "ort" and name == "MomentumUpdate":
            return _REAL * outputs[0].size
        if target.runtime != "ort" or name not in _EARLY or not _has_positions(outputs, attributes):
            return 0
        return _EARLY[name](inputs, outputs)

    return early


def _has_positions(outputs: Sequence[TensorType], attributes: Mapping[str, Attribute]) -> bool:
    return len(outputs[0].shape) > 2 or "channel_size" in attributes or "channel_units" in attributes


def _head_rows(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The rows of the slice in float32; of a pooled head, a row a channel."""
    logits = inputs[0]
    assert logits is not None
    size = outputs[0].size // outputs[0].shape[0]
    return _REAL * min(logits.shape[1] * size, _size(inputs, 1))


_EARLY: Mapping[str, Callable[[Types, Sequence[TensorType]], int]] = {
    "HeadGrad": _head_rows,
    # The window, which is counted, is gone when its factor is there.
    "StraightThroughGrad": lambda inputs, outputs: max(0, _REAL * outputs[0].size - _size(inputs, 1)),
    **{name: lambda inputs, outputs: 0 for name in ("ReluGrad", "ClipGrad")},
}


def _size(types: Types, position: int) -> int:
    """Elements of an input, or 0 where it is absent."""
    found = types[position] if position < len(types) else None
    return found.size if found is not None else 0


def _sign_product(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """16-bit split, before there is an output: the input twice in float32 and its high half; then the sums of both halves."""
    x, z, is_sliced = _size(inputs, 0), outputs[0].size, _size(inputs, 3) > 0
    return max(9 * x - _REAL * z, (3 if is_sliced else 2) * _REAL * z)


def _binary_product(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """32-bit sums; a slice apart adds its padded sums. What they add up to is counted as the output."""
    return (2 if _size(inputs, 3) else 1) * _REAL * outputs[0].size


def _real_product(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The product; with a slice apart, the slice's inputs and product beside it, then the padded product and the sum."""
    w_slice = inputs[3] if len(inputs) > 3 else None
    x, z = inputs[0], outputs[0].size
    assert x is not None
    cast = x.size if x.dtype == "bit" else 0
    if w_slice is None:
        return _REAL * max(cast, z)
    batch = outputs[0].shape[0]
    return _REAL * max(cast + batch * sum(w_slice.shape), z + batch * sum(w_slice.shape), 3 * z)


def _binary_activation(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Three comparisons, a byte an element."""
    return 3 * _size(inputs, 0)


def _head_logits(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The units and the head in float32, and the product; a pooled head has the means of channels, and then the product."""
    h, head, logits = inputs[0], _size(inputs, 2), outputs[0]
    assert h is not None
    if not head or head // logits.shape[1] == h.size // h.shape[0]:
        return _REAL * (h.size + head + logits.size)
    unpacked = h.size if h.dtype == "bit" else 0
    return _REAL * (h.shape[0] * h.shape[1] + head + max(unpacked, logits.size))


def _head_grad(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The head's rows of the slice, as bytes and in float32; a pooled head has a row a channel, and shares beside."""
    num_outputs = inputs[0].shape[1] if inputs[0] is not None else 0
    batch, channels, *positions = outputs[0].shape
    rows = (1 + _REAL) * min(num_outputs * channels * math.prod(positions), _size(inputs, 1))
    return max(rows, _REAL * (batch + num_outputs) * channels) if positions else rows


def _loss(inputs: Types, outputs: Sequence[TensorType]) -> int:
    return 4 * _REAL * outputs[0].size


def _straight_through(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The window of the slice, as bytes and in float32."""
    return (1 + _REAL) * outputs[0].size


def _slice_grad(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The slice's inputs in float32, its errors, and those scaled; the errors that came in are gone by then.

    Before there is an output, its inputs as bytes, in float32, and centred.
    """
    grad_z, x = inputs[0], inputs[1]
    assert grad_z is not None and x is not None
    ins, outs = (x.shape[0] * length for length in outputs[0].shape)
    errors = _REAL * (outs - grad_z.size)
    unpacked = (1 + 2 * _REAL) * ins if x.dtype == "bit" else _REAL * ins
    return max(_REAL * ins + errors, unpacked + errors - _REAL * outputs[0].size, 0)


def _sgd_step(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The moved slice, beside its inputs and errors as :func:`_slice_grad` has them; the errors that came in are gone by then."""
    w, grad_z, x = inputs[0], inputs[1], inputs[2]
    assert w is not None and grad_z is not None and x is not None
    ins, outs = (x.shape[0] * length for length in w.shape)
    unpacked = (1 + _REAL) * ins if x.dtype == "bit" else _REAL * ins
    return max(unpacked + _REAL * outs, _REAL * (outputs[0].size + ins + outs - grad_z.size))


def _changes(count: int) -> Callable[[Types, Sequence[TensorType]], int]:
    """Copies of the updated tensor in float32."""
    return lambda inputs, outputs: count * _REAL * outputs[0].size


def _pack_signs(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Magnitudes in float32; the bytes before the signs are fewer."""
    return _REAL * outputs[0].size


_RULES: Mapping[str, Callable[[Types, Sequence[TensorType]], int]] = {
    "SignDense": _sign_product,
    "BinaryDense": _binary_product,
    "RealDense": _real_product,
    **LOCAL_RULES,
    **VJP_RULES,
    "BinaryActivation": _binary_activation,
    "BinaryToReal": _changes(1),
    "HeadLogits": _head_logits,
    "HeadGrad": _head_grad,
    "SoftmaxCrossEntropy": _loss,
    "MeanSquaredError": _loss,
    "StraightThroughGrad": _straight_through,
    "DenseSliceGrad": _slice_grad,
    "DenseSgdStep": _sgd_step,
    "BiasSliceGrad": lambda inputs, outputs: _size(inputs, 0) * _REAL,
    "SgdUpdate": _changes(1),
    "AdamUpdate": _changes(2),
    "ShiftSgdStep": _changes(2),
    "PackSigns": _pack_signs,
}


def _quantized_samples(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Of each sample its step, and 16 bits an input in whole words (targets/c99/runtime/sign_dense.c)."""
    x = inputs[0]
    assert x is not None
    num_inputs = x.shape[-1]
    return x.size // num_inputs * (4 + 4 * -(-num_inputs // 2))


def _quantized_sample(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Of one sample 16 bits an input, in whole words (targets/c99/runtime/sign_conv.c)."""
    x = inputs[0]
    assert x is not None
    num_inputs = x.size // x.shape[0]
    return 4 * -(-num_inputs // 2)


_KERNEL_RULES: Mapping[str, Callable[[Types, Sequence[TensorType]], int]] = {
    "SignDense": _quantized_samples,
    "SignConv": _quantized_sample,
}
