"""Operators that walk over tensors by strides: arithmetic with repeated axes, boxes that are moved, and sums over axes.

Sizes begin with the samples of a call, and strides do not depend on how many these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyfoa_rt.ir.c_program import Address, Argument, Braces, Call, Fields, Number, Real, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import Lowering, Rule, refuse

__all__ = ["MOST_AXES", "STRIDED_RULES", "numbers", "sizes_of", "strides_of", "whole_strides"]

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
    strides, size = [], 1
    for length in reversed(padded):
        strides.append(0 if length == 1 else size)
        size *= length
    return strides[::-1]


def _strides(lowering: Lowering, shape: Sequence[int], a: Sequence[int], b: Sequence[int]) -> Fields:
    given = Number(len(shape)), sizes_of(lowering, shape), numbers(a, MOST_AXES), numbers(b, MOST_AXES)
    return Fields("tfoa_strides", given)


def _check_axes(lowering: Lowering, node: StepNode, name: str) -> tuple[int, ...]:
    shape = lowering.shape(name)
    if len(shape) > MOST_AXES:
        raise refuse(node, f"has {len(shape)} axes, more than {MOST_AXES}")
    return shape


def _pair(lowering: Lowering, node: StepNode, function: str, operands: tuple[str, str]) -> Call:
    """Arithmetic of two tensors, either of which may be repeated."""
    shape = _check_axes(lowering, node, node.outputs[0])
    strides = (strides_of(lowering.shape(name), shape) for name in operands)
    return Call(function, (_strides(lowering, shape, *strides), *map(lowering.real, operands), lowering.at(node.outputs[0])))


def _binary(function: str) -> Rule:
    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        a, b = node.inputs
        _refuse_repeated_in_place(lowering, node)
        return [_pair(lowering, node, function, (a, b))]

    return rule


def _sum(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Of any number of tensors; those that the sum is written over come first."""
    y = node.outputs[0]
    _refuse_repeated_in_place(lowering, node)
    names = sorted(node.inputs, key=lambda name: not _shares(lowering, name, y))
    if len([name for name in names if _shares(lowering, name, y)]) > 2:
        raise refuse(node, "adds a value to itself more than once")
    if len(names) == 1:
        return [Call("tfoa_reshape", (lowering.elements(y), lowering.real(names[0]), lowering.at(y)))]
    first = _pair(lowering, node, "tfoa_add", (names[0], names[1]))
    return [first, *(_pair(lowering, node, "tfoa_add", (y, name)) for name in names[2:])]


def _shares(lowering: Lowering, name: str, other: str) -> bool:
    return name in lowering.offsets and lowering.offsets[name] == lowering.offsets[other]


def _refuse_repeated_in_place(lowering: Lowering, node: StepNode) -> None:
    """A plan may give the result the place of an input that is repeated, where that input lies in more room than it needs."""
    y = node.outputs[0]
    for name in node.inputs:
        if _shares(lowering, name, y) and lowering.shape(name) != lowering.shape(y):
            raise refuse(node, f"would be written over its smaller input '{name}'")


def whole_strides(shape: Sequence[int]) -> list[int]:
    """Strides of a tensor of which nothing is repeated; axes of length 1 have them too."""
    strides, size = [], 1
    for length in reversed(shape):
        strides.append(size)
        size *= length
    return strides[::-1]


def _from(place: Address, elements: int) -> Address:
    return Address(place.ctype, place.offset + _FLOAT * elements)


def _concat(lowering: Lowering, node: StepNode) -> list[Statement]:
    y = node.outputs[0]
    shape = _check_axes(lowering, node, y)
    axis = node.int("axis", 0) % len(shape)
    if axis == 0 and lowering.grows(y):
        raise refuse(node, "joins tensors along the batch")
    strides, start = whole_strides(shape), 0
    calls: list[Statement] = []
    for name in node.inputs:
        part = lowering.shape(name)
        box = _strides(lowering, part, strides_of(part, part), strides)
        calls.append(Call("tfoa_copy_box", (box, lowering.real(name), _from(lowering.at(y), start * strides[axis]))))
        start += part[axis]
    return calls


def _cut(lowering: Lowering, node: StepNode, starts: Sequence[int], steps: Sequence[int]) -> list[Statement]:
    """The box of the input that the output is."""
    x, y = node.inputs[0], node.outputs[0]
    shape, whole = _check_axes(lowering, node, y), whole_strides(lowering.shape(x))
    first = sum(start * stride for start, stride in zip(starts, whole))
    box = _strides(lowering, shape, [stride * step for stride, step in zip(whole, steps)], whole_strides(shape))
    return [Call("tfoa_copy_box", (box, _from(lowering.at(x), first), lowering.at(y)))]


def _slice(lowering: Lowering, node: StepNode) -> list[Statement]:
    """A slice of a value; that of a gradient (of Concat and Pad) has its bounds as attributes."""
    x = node.inputs[0]
    shape = lowering.shape(x)
    starts, steps = [0] * len(shape), [1] * len(shape)
    if node.phase == "gradient":
        starts = list(node.ints("starts", tuple(starts)))
        if "axis" in node.attributes:
            starts[node.int("axis", 0) % len(shape)] = node.int("start", 0)
        return _cut(lowering, node, starts, steps)
    first, axes = lowering.whole_numbers(node.input(1)), lowering.whole_numbers(node.input(3))
    if x in lowering.graph.constants or not first:
        raise refuse(node, "slices a constant, or by computed bounds")
    strides = lowering.whole_numbers(node.input(4)) or (1,) * len(first)
    for start, axis, step in zip(first, axes or range(len(first)), strides):
        if (axis % len(shape) == 0 and lowering.grows(x)) or step < 1:
            raise refuse(node, "slices the batch, or backwards")
        length = shape[axis]
        starts[axis] = max(0, min(start if start >= 0 else start + length, length))
        steps[axis] = step
    return _cut(lowering, node, starts, steps)


def _pad(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    shape, pads = _check_axes(lowering, node, y), lowering.whole_numbers(node.input(1))
    rank = len(shape)
    if node.string("mode", "constant") != "constant" or node.input(3) or len(pads) != 2 * rank:
        raise refuse(node, "pads in another mode than 'constant', some axes only, or by computed widths")
    if min(pads) < 0 or (lowering.grows(x) and (pads[0] or pads[rank])):
        raise refuse(node, "pads the batch, or cuts")
    value = float(lowering.graph.constants[node.input(2)].read()) if node.input(2) else 0.0
    strides, part = whole_strides(shape), lowering.shape(x)
    inside = _from(lowering.at(y), sum(begin * stride for begin, stride in zip(pads, strides)))
    box = _strides(lowering, part, strides_of(part, part), strides)
    filled = Call("tfoa_fill", (lowering.elements(y), Real(value), lowering.at(y)))
    return [filled, Call("tfoa_copy_box", (box, lowering.real(x), inside))]


def _reduce_sum(lowering: Lowering, node: StepNode) -> list[Statement]:
    """The gradient of a broadcast: a sum over the axes that were repeated."""
    x, y = node.inputs[0], node.outputs[0]
    if node.phase != "gradient":
        raise refuse(node, "takes a sum over axes")
    shape = _check_axes(lowering, node, x)
    given: tuple[Argument, ...] = (_strides(lowering, shape, whole_strides(shape), strides_of(lowering.shape(y), shape)),)
    zeros = Call("tfoa_fill", (lowering.elements(y), Real(0.0), lowering.at(y)))
    return [zeros, Call("tfoa_add_box", (*given, lowering.at(x), lowering.at(y)))]


STRIDED_RULES: Mapping[str, Rule] = {
    "Add": _binary("tfoa_add"),
    "Sub": _binary("tfoa_sub"),
    "Mul": _binary("tfoa_mul"),
    "Div": _binary("tfoa_div"),
    "Sum": _sum,
    "Concat": _concat,
    "Slice": _slice,
    "Pad": _pad,
    "ReduceSum": _reduce_sum,
}
