"""Operators that only move elements: the gradient moves back."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.builder import refuse
from tinyfoa_rt.steps.vjp.rule import VjpRule, grad_name

__all__ = ["MOVEMENT_RULES"]


def _reshaped(backward: BackwardPass, node: Node, grad: str) -> None:
    x = node.inputs[0]
    output = (grad_name(node, x), backward.grad_type(x))
    backward.add(x, backward.builder.standard("Reshape", (grad,), output, category="gradient"))


def _transposed(backward: BackwardPass, node: Node, grad: str) -> None:
    x = node.inputs[0]
    rank = len(backward.builder.graph.shape(x))
    permutation = node.ints("perm", tuple(reversed(range(rank))))
    inverse = tuple(permutation.index(axis) for axis in range(rank))
    output = (grad_name(node, x), backward.grad_type(x))
    backward.add(x, backward.builder.standard("Transpose", (grad,), output, {"perm": inverse}, "gradient"))


def _concatenated(backward: BackwardPass, node: Node, grad: str) -> None:
    axis = node.int("axis", 0)
    start = 0
    for position, value in enumerate(node.inputs):
        length = backward.builder.graph.shape(value)[axis]
        if backward.needs(value):
            span = {"axis": axis, "start": start, "stop": start + length}
            output = (grad_name(node, value, position), backward.grad_type(value))
            backward.add(value, backward.builder.standard("Slice", (grad,), output, span, "gradient"))
        start += length


def _padded(backward: BackwardPass, node: Node, grad: str) -> None:
    mode = node.string("mode", "constant")
    if mode != "constant":
        raise refuse(node.name, f"Pad in mode '{mode}' has no gradient rule, only 'constant' has")
    graph, x = backward.builder.graph, node.inputs[0]
    output = (grad_name(node, x), backward.grad_type(x))
    rank = len(output[1].shape)
    if any(name and not graph.is_constant(name) for name in (node.input(1), node.input(3))):
        raise refuse(node.name, "Pad by computed sizes has no gradient rule, only constant ones have")
    axes = graph.constants[node.input(3)].as_ints() if node.input(3) else range(rank)
    pads = graph.constants[node.input(1)].as_ints()
    if min(pads) < 0:
        raise refuse(node.name, "Pad that cuts has no gradient rule")
    starts = [0] * rank
    for axis, width in zip(axes, pads):
        starts[axis] = width
    backward.add(x, backward.builder.standard("Slice", (grad,), output, {"starts": tuple(starts)}, "gradient"))


MOVEMENT_RULES: Mapping[str, VjpRule] = {
    "Concat": _concatenated,
    "Dropout": _reshaped,
    "Flatten": _reshaped,
    "Identity": _reshaped,
    "Pad": _padded,
    "Reshape": _reshaped,
    "Squeeze": _reshaped,
    "Transpose": _transposed,
    "Unsqueeze": _reshaped,
}
