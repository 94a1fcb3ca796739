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
    for value in node.inputs:
        length = backward.builder.graph.shape(value)[axis]
        if backward.needs(value):
            span = {"axis": axis, "start": start, "stop": start + length}
            output = (grad_name(node, value), backward.grad_type(value))
            backward.add(value, backward.builder.standard("Slice", (grad,), output, span, "gradient"))
        start += length


def _padded(backward: BackwardPass, node: Node, grad: str) -> None:
    mode = node.string("mode", "constant")
    if mode != "constant":
        raise refuse(node.name, f"Pad in mode '{mode}' has no gradient rule, only 'constant' has")
    x = node.inputs[0]
    shape = backward.builder.graph.shape(x)
    pads = _constant_ints(backward, node, 1, ())
    axes = _constant_ints(backward, node, 3, tuple(range(len(shape))))
    if min(pads) < 0:
        raise refuse(node.name, "Pad with negative sizes, which cuts, has no gradient rule")
    begins = {axis % len(shape): begin for axis, begin in zip(axes, pads)}
    padded = [axis for axis in sorted(begins) if shape[axis] != backward.builder.graph.shape(node.outputs[0])[axis]]
    span = {
        "axis": tuple(padded),
        "start": tuple(begins[axis] for axis in padded),
        "stop": tuple(begins[axis] + shape[axis] for axis in padded),
    }
    output = (grad_name(node, x), backward.grad_type(x))
    backward.add(x, backward.builder.standard("Slice", (grad,), output, span, "gradient"))


def _constant_ints(backward: BackwardPass, node: Node, position: int, default: tuple[int, ...]) -> tuple[int, ...]:
    name = node.input(position)
    if not name:
        return default
    if not backward.builder.graph.is_constant(name):
        raise refuse(node.name, f"'{name}' is computed, but only constant sizes have a gradient rule")
    return backward.builder.graph.constants[name].as_ints()


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
