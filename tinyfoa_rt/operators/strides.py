"""Tensors as kernels walk over them: sizes begin with the samples of a call, and strides do not depend on how many these are."""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.ir.c_program import Address, Braces, Fields, Number
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import Lowering, refuse

__all__ = ["MOST_AXES", "check_axes", "moved_on", "numbers", "sizes_of", "strides_fields", "strides_of", "whole_strides"]

MOST_AXES = 6  # TFOA_MAX_RANK
_FLOAT = 4


def numbers(values: Sequence[int], length: int | None = None) -> Braces:
    """Whole numbers, filled with zeros up to ``length``."""
    filled = [*values, *[0] * ((length or len(values)) - len(values))]
    return Braces(tuple(Number(value) for value in filled))


def sizes_of(lowering: Lowering, shape: Sequence[int]) -> Braces:
    """Lengths of all axes of a tensor."""
    return Braces((lowering.leading(shape), *numbers(shape[1:], MOST_AXES - 1).values))


def strides_of(shape: Sequence[int], result: Sequence[int]) -> list[int]:
    """Strides in elements of a tensor that is broadcast to ``result``; 0 along the axes that are repeated."""
    padded = [1] * (len(result) - len(shape)) + list(shape)
    return [0 if length == 1 else stride for length, stride in zip(padded, whole_strides(padded))]


def whole_strides(shape: Sequence[int]) -> list[int]:
    """Strides of a tensor of which nothing is repeated; axes of length 1 have them too."""
    strides, size = [], 1
    for length in reversed(shape):
        strides.append(size)
        size *= length
    return strides[::-1]


def strides_fields(lowering: Lowering, shape: Sequence[int], a: Sequence[int], b: Sequence[int]) -> Fields:
    """``tfoa_strides`` of a walk over ``shape`` by two tensors."""
    given = Number(len(shape)), sizes_of(lowering, shape), numbers(a, MOST_AXES), numbers(b, MOST_AXES)
    return Fields("tfoa_strides", given)


def check_axes(lowering: Lowering, node: StepNode, name: str) -> tuple[int, ...]:
    """The shape of a tensor.

    Raises:
        UnsupportedError: it has more axes than kernels walk over.
    """
    shape = lowering.shape(name)
    if len(shape) > MOST_AXES:
        raise refuse(node, f"has {len(shape)} axes, more than {MOST_AXES}")
    return shape


def moved_on(place: Address, elements: int) -> Address:
    """The place so many float32 on."""
    return Address(place.ctype, place.offset + _FLOAT * elements)
