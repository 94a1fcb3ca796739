"""What the bodies of gradients through standard operators hold on onnxruntime, beside inputs and outputs, in bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.ops.row import Types

__all__ = ["VJP_RULES"]

_REAL = 4  # bytes of float32
_PLACE = 8  # bytes of int64

Rule = Callable[[Types, Sequence[TensorType]], int]


def _bytes_an_element(count: int) -> Rule:
    """So many bytes for each element of the gradient."""
    return lambda inputs, outputs: count * outputs[0].size


def _grad_size(inputs: Types) -> int:
    assert inputs[0] is not None
    return inputs[0].size


def _max_pool(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The slice's inputs, the pool once more and its places, before there is an output; then zeros and the places."""
    grad = _grad_size(inputs)
    return max((_REAL + _PLACE) * grad, _REAL * outputs[0].size + _PLACE * grad)


def _average_pool(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Each window's share, and the image before its pads are cut off."""
    return _REAL * (_grad_size(inputs) + outputs[0].size)


def _factors(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The factors of all channels, and their powers or roots."""
    factor = inputs[1]
    assert factor is not None
    return 3 * _REAL * factor.size


VJP_RULES: Mapping[str, Rule] = {
    "ReluGrad": _bytes_an_element(_REAL + 1),  # what was saved, where it is positive; then that in float32
    "ClipGrad": _bytes_an_element(_REAL + 2),
    "LeakyReluGrad": _bytes_an_element(3 * _REAL + 1),  # onnxruntime's Where holds both of its sides beside the result
    "SigmoidGrad": _bytes_an_element(3 * _REAL),
    "TanhGrad": _bytes_an_element(2 * _REAL),
    "HardSigmoidGrad": _bytes_an_element(3 * _REAL + 1),
    "HardSwishGrad": _bytes_an_element(4 * _REAL + 1),
    "SoftmaxGrad": _bytes_an_element(_REAL),
    "ChannelScaleGrad": _factors,
    "BatchNormalizationGrad": _factors,
    "MaxPoolGrad": _max_pool,
    "AveragePoolGrad": _average_pool,
    "GlobalAveragePoolGrad": lambda inputs, outputs: _REAL * _grad_size(inputs),
    "LRNGrad": _bytes_an_element(6 * _REAL),
}
