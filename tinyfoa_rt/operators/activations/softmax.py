"""Softmax along an axis."""

from __future__ import annotations

import math

from tinyfoa_rt.ir.c_program import Call, Number, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.activations.gradient import gradient_row
from tinyfoa_rt.operators.lowering import Lowering, call_in_place, refuse
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, StandardOperator
from tinyfoa_rt.operators.vjp import GradientPass, add_gradient

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    inputs = (grad, backward.saved(node.outputs[0]), backward.origin)
    add_gradient(backward, node, "SoftmaxGrad", inputs, {"axis": node.int("axis", -1)})


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    shape = lowering.shape(node.inputs[0])
    axis = node.int("axis", -1) % len(shape)
    if axis == 0 and lowering.grows(node.inputs[0]):
        raise refuse(node, "takes the softmax over the batch")
    outer = lowering.leading(shape, math.prod(shape[1:axis])) if axis else Number(1)
    sizes = (outer, Number(shape[axis]), Number(math.prod(shape[axis + 1 :])))
    return [Call("tfoa_softmax", (*sizes, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    y = node.inputs[1]
    shape = lowering.shape(y)
    axis = node.int("axis", -1) % len(shape)
    if axis == 0:
        raise refuse(node, "takes the softmax over the batch")
    sizes = (lowering.leading(shape, math.prod(shape[1:axis])), Number(shape[axis]), Number(math.prod(shape[axis + 1 :])))
    return call_in_place(lowering, node, "tfoa_softmax_grad", (*sizes, lowering.at(y)))


register(
    StandardOperator(name="Softmax", memory=IN_PLACE, vjp=_vjp, lower=_lower, is_never_negative=True),
    gradient_row("SoftmaxGrad", "y", "grad_x = grad_y * (y (grad_y - sum grad_y y)).", ("axis",), _lower_gradient),
)
