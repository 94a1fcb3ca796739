"""Axes in another order."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Fields, Number, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import Lowering
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.strides import MOST_AXES, check_axes, numbers, sizes_of
from tinyfoa_rt.operators.vjp import GradientPass, grad_name

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    x = node.inputs[0]
    rank = len(backward.builder.graph.shape(x))
    permutation = node.ints("perm", tuple(reversed(range(rank))))
    inverse = tuple(permutation.index(axis) for axis in range(rank))
    output = (grad_name(node, x), backward.grad_type(x))
    backward.add(x, backward.builder.standard("Transpose", (grad,), output, {"perm": inverse}, "gradient"))


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    shape = check_axes(lowering, node, node.inputs[0])
    perm = node.ints("perm", tuple(range(len(shape)))[::-1])
    fields = Fields("tfoa_transpose_shape", (Number(len(shape)), sizes_of(lowering, shape), numbers(perm, MOST_AXES)))
    return [Call("tfoa_transpose", (fields, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


register(StandardOperator(name="Transpose", vjp=_vjp, lower=_lower, moves=True))
