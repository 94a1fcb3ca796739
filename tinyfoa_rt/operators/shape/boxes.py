"""Boxes that are cut out of tensors, or put together to one: the gradient is cut the other way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyfoa_rt.ir.c_program import Call, Real, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import Lowering, refuse
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.strides import check_axes, moved_on, strides_fields, strides_of, whole_strides
from tinyfoa_rt.operators.vjp import GradientPass, grad_name
from tinyfoa_rt.operators.vjp import refuse as refuse_to_train

__all__: list[str] = []


def _concat_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    axis = node.int("axis", 0)
    start = 0
    for position, value in enumerate(node.inputs):
        length = backward.builder.graph.shape(value)[axis]
        if backward.needs(value):
            bounds = {"start": [start], "stop": [start + length], "axis": [axis]}
            backward.add(value, _add_slice(backward, grad, (grad_name(node, value, position), value), bounds))
        start += length


def _pad_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    mode = node.string("mode", "constant")
    if mode != "constant":
        raise refuse_to_train(node.name, f"Pad in mode '{mode}' has no gradient rule, only 'constant' has")
    graph, x = backward.builder.graph, node.inputs[0]
    shape = backward.grad_type(x).shape
    rank = len(shape)
    if any(name and not graph.is_constant(name) for name in (node.input(1), node.input(3))):
        raise refuse_to_train(node.name, "Pad by computed sizes has no gradient rule, only constant ones have")
    axes = graph.constants[node.input(3)].as_ints() if node.input(3) else range(rank)
    pads = graph.constants[node.input(1)].as_ints()
    if min(pads) < 0:
        raise refuse_to_train(node.name, "Pad that cuts has no gradient rule")
    starts = [0] * rank
    for axis, width in zip(axes, pads):
        starts[axis] = width
    # All axes but the batch's.
    stops = [start + length for start, length in zip(starts, shape)]
    bounds = {"start": starts[1:], "stop": stops[1:], "axis": list(range(1, rank))}
    backward.add(x, _add_slice(backward, grad, (grad_name(node, x), x), bounds))


def _add_slice(backward: GradientPass, grad: str, of: tuple[str, str], bounds: Mapping[str, Sequence[int]]) -> str:
    """Cut the gradient of a value, which ``of`` tells behind the name that it gets, out of another."""
    name, value = of
    inputs = (grad, *(backward.builder.integers(own(name, role), values) for role, values in bounds.items()))
    return backward.builder.standard("Slice", inputs, (name, backward.grad_type(value)), category="gradient")


def _lower_concat(lowering: Lowering, node: StepNode) -> list[Statement]:
    y = node.outputs[0]
    shape = check_axes(lowering, node, y)
    axis = node.int("axis", 0) % len(shape)
    if axis == 0 and lowering.grows(y):
        raise refuse(node, "joins tensors along the batch")
    strides, start = whole_strides(shape), 0
    calls: list[Statement] = []
    for name in node.inputs:
        part = lowering.shape(name)
        box = strides_fields(lowering, part, strides_of(part, part), strides)
        calls.append(Call("tfoa_copy_box", (box, lowering.real(name), moved_on(lowering.at(y), start * strides[axis]))))
        start += part[axis]
    return calls


def _cut(lowering: Lowering, node: StepNode, starts: Sequence[int], steps: Sequence[int]) -> list[Statement]:
    """The box of the input that the output is."""
    x, y = node.inputs[0], node.outputs[0]
    shape, whole = check_axes(lowering, node, y), whole_strides(lowering.shape(x))
    first = sum(start * stride for start, stride in zip(starts, whole))
    box = strides_fields(lowering, shape, [stride * step for stride, step in zip(whole, steps)], whole_strides(shape))
    return [Call("tfoa_copy_box", (box, moved_on(lowering.at(x), first), lowering.at(y)))]


def _lower_slice(lowering: Lowering, node: StepNode) -> list[Statement]:
    x = node.inputs[0]
    shape = lowering.shape(x)
    starts, steps = [0] * len(shape), [1] * len(shape)
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


def _lower_pad(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    shape, pads = check_axes(lowering, node, y), lowering.whole_numbers(node.input(1))
    rank = len(shape)
    if node.string("mode", "constant") != "constant" or node.input(3) or len(pads) != 2 * rank:
        raise refuse(node, "pads in another mode than 'constant', some axes only, or by computed widths")
    if min(pads) < 0 or (lowering.grows(x) and (pads[0] or pads[rank])):
        raise refuse(node, "pads the batch, or cuts")
    value = float(lowering.graph.constants[node.input(2)].read()) if node.input(2) else 0.0
    strides, part = whole_strides(shape), lowering.shape(x)
    inside = moved_on(lowering.at(y), sum(begin * stride for begin, stride in zip(pads, strides)))
    box = strides_fields(lowering, part, strides_of(part, part), strides)
    filled = Call("tfoa_fill", (lowering.elements(y), Real(value), lowering.at(y)))
    return [filled, Call("tfoa_copy_box", (box, lowering.real(x), inside))]


register(
    StandardOperator(name="Concat", vjp=_concat_vjp, lower=_lower_concat),
    StandardOperator(name="Pad", vjp=_pad_vjp, lower=_lower_pad),
    StandardOperator(name="Slice", lower=_lower_slice),
)
