"""What the library of kernels takes for its operators beside inputs and outputs, in bytes (targets/ort/ops)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinyfoa_rt.allocation.shapes import Value

__all__ = ["PACKED_KERNELS"]

_NUMBER = 4  # bytes of float32, int32 and a word of bits
_PIECE = 16384  # weights that a thread takes at a time
_BLOCK = 16  # outputs that a thread takes at a time

Inputs = Sequence[Value | None]
Rule = Callable[[Inputs, Sequence[Value], Mapping[str, Any]], list[int]]


def _known(inputs: Inputs, position: int) -> Value:
    value = inputs[position]
    assert value is not None
    return value


def _number_a_row(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    return [_NUMBER * _known(inputs, 0).shape[0]]


def _binary_dense(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    """With a slice apart, how many of its bits are set, and its bits moved to begin a word."""
    x = _known(inputs, 0)
    return [_NUMBER * x.shape[0], x.nbytes] if len(inputs) > 3 and inputs[3] is not None else []


def _sign_dense(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    """Inputs as 16-bit integers, and two numbers a sample."""
    x = _known(inputs, 0)
    return [x.size * 2, _NUMBER * x.shape[0], _NUMBER * x.shape[0]]


def _sign_dense_input_grad(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    """Alpha of each output, and errors times that."""
    grad_z = _known(inputs, 0)
    return [_NUMBER * grad_z.shape[1], grad_z.nbytes]


def _head_logits(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    return [outputs[0].nbytes]


def _turned(place: int) -> Rule:
    """The slice's inputs of all samples, side by side: bits a word for eight inputs of four samples, or real numbers."""

    def rule(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
        x, num_inputs = _known(inputs, place), outputs[0].shape[0]
        rows = x.shape[0]
        if attributes.get("units", 0):
            return [_NUMBER * -(-num_inputs // 8) * -(-rows // 4)]
        return [_NUMBER * -(-num_inputs // 4) * 4 * rows]

    return rule


def _turned_and_measured(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    """And a sum of squares of each block of outputs."""
    num_blocks = -(-outputs[0].shape[1] // _BLOCK)
    return [*_turned(2)(inputs, outputs, attributes), _NUMBER * num_blocks]


def _number_a_piece(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    return [_NUMBER * -(-_known(inputs, 0).size // _PIECE)]


def _nothing(inputs: Inputs, outputs: Sequence[Value], attributes: Mapping[str, Any]) -> list[int]:
    return []


# By operator; all that the library has a kernel of.
PACKED_KERNELS: Mapping[str, Rule] = {
    "PackedBinaryDense": _binary_dense,
    "PackedSignDense": _sign_dense,
    "PackedRealDense": _nothing,
    "PackedSignDenseInputGrad": _sign_dense_input_grad,
    "PackedBinaryActivation": _number_a_row,
    "PackedBinaryToReal": _nothing,
    "PackedStraightThroughGrad": _nothing,
    "PackedHeadLogits": _head_logits,
    "PackedHeadGrad": _nothing,
    **dict.fromkeys(("SoftmaxCrossEntropy", "WeightedSoftmaxCrossEntropy"), _number_a_row),
    **dict.fromkeys(("PackedDenseSgdStep", "PackedDenseSgdStepOfReals"), _turned(2)),
    **dict.fromkeys(("PackedDenseSgdStepOnIntegers", "PackedDenseSgdStepOnIntegersOfReals"), _turned(2)),
    **dict.fromkeys(("PackedDenseSignStep", "PackedDenseSignStepOfReals"), _turned(2)),
    **{f"PackedDenseNormalized{signs}Step{of}": _turned_and_measured for signs in ("", "Sign") for of in ("", "OfReals")},
    **dict.fromkeys(("PackedDenseSliceGrad", "PackedDenseSliceGradOfReals"), _turned(1)),
    "BiasSliceGrad": _nothing,
    **dict.fromkeys(("SgdUpdate", "MomentumUpdate", "AdamUpdate"), _nothing),
    **dict.fromkeys(("SgdUpdateOnIntegers", "MomentumUpdateOnIntegers", "AdamUpdateOnIntegers"), _nothing),
    **dict.fromkeys(("NormalizedUpdate", "NormalizedUpdateOnIntegers"), _number_a_piece),
    "BinaryCrossEntropy": _nothing,
    "MeanSquaredError": _nothing,
    **dict.fromkeys(("PackedPackSigns", "PackedPackSignsOfIntegers", "Dequantize"), _nothing),
}
