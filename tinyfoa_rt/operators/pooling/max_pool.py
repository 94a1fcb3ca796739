"""The largest element of each window."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.channels import by_channel
from tinyfoa_rt.operators.geometry import POOL_ATTRIBUTES, explicit_window
from tinyfoa_rt.operators.lowering import Lowering
from tinyfoa_rt.operators.pooling.window import add_pool_gradient, gradient_window, pool_gradient_row, pool_window
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.vjp import GradientPass, refuse

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise refuse(node.name, "MaxPool with a second output (indices) has no gradient rule")
    size = backward.builder.graph.shape(node.inputs[0])[2:]
    window = {**explicit_window(size, node.attributes), "ceil_mode": node.int("ceil_mode", 0)}
    saved = backward.saved(node.inputs[0]), backward.saved(node.outputs[0])
    add_pool_gradient(backward, node, ("MaxPoolGrad", (grad, *saved)), window)


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    window, planes = pool_window(lowering, node)
    return [Call("tfoa_max_pool", (window, planes, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, x, _, grad_x = *node.inputs[:3], node.outputs[0]
    part = lowering.channel_part(node, x, node.input(3))
    places = lowering.at(grad), lowering.at(x), lowering.at(grad_x)
    return [Call("tfoa_max_pool_grad", (part, gradient_window(lowering, node), *places))]


register(
    StandardOperator(name="MaxPool", vjp=_vjp, lower=_lower, keeps_channels=by_channel),
    pool_gradient_row(
        "MaxPoolGrad",
        ("x", "y"),
        "The gradient goes to the first largest element of each window.",
        (*POOL_ATTRIBUTES, "ceil_mode", "input_shape"),
        _lower_gradient,
    ),
)
