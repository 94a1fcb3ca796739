"""Views: the same bytes under another shape. The gradient is shaped back."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.channels import elementwise, flattening
from tinyfoa_rt.operators.lowering import Lowering
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import ChannelRule, Memory, StandardOperator, never
from tinyfoa_rt.operators.vjp import GradientPass, grad_name

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    x = node.inputs[0]
    backward.add(x, backward.builder.reshape(grad, (grad_name(node, x), backward.grad_type(x)), "gradient"))


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    """No call; a constant is copied."""
    if node.inputs[0] in lowering.offsets and lowering.offsets[node.inputs[0]] == lowering.offsets[node.outputs[0]]:
        return []
    count = lowering.elements(node.outputs[0])
    return [Call("tfoa_reshape", (count, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _view(name: str, keeps_channels: ChannelRule) -> StandardOperator:
    return StandardOperator(
        name=name, memory=Memory(views={0: 0}), vjp=_vjp, lower=_lower, keeps_channels=keeps_channels, moves=True
    )


register(
    _view("Dropout", elementwise),
    _view("Flatten", flattening),
    _view("Identity", elementwise),
    _view("Reshape", flattening),
    _view("Squeeze", flattening),
    _view("Unsqueeze", never),
)
