"""Sums over axes: what the gradient of a value that was repeated along them is."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Argument, Call, Real, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import Lowering, refuse
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.strides import check_axes, strides_fields, strides_of, whole_strides
from tinyfoa_rt.operators.vjp import GradientPass, grad_name

__all__ = ["unbroadcast"]


def unbroadcast(backward: GradientPass, node: Node, value: str, grad: str) -> str:
    """The gradient of an input, which may be repeated to the output's shape."""
    if backward.builder.graph.shape(value) == backward.builder.graph.shape(node.outputs[0]):
        return grad
    output = (grad_name(node, value), backward.grad_type(value))
    return backward.builder.standard("ReduceSum", (grad,), output, category="gradient")


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    if node.phase != "gradient":
        raise refuse(node, "takes a sum over axes")
    shape = check_axes(lowering, node, x)
    given: tuple[Argument, ...] = (strides_fields(lowering, shape, whole_strides(shape), strides_of(lowering.shape(y), shape)),)
    zeros = Call("tfoa_fill", (lowering.elements(y), Real(0.0), lowering.at(y)))
    return [zeros, Call("tfoa_add_box", (*given, lowering.at(x), lowering.at(y)))]


register(StandardOperator(name="ReduceSum", lower=_lower))
