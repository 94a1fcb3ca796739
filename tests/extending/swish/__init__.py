"""An operator from outside of the package: y = x sigmoid(x), in a domain of its own, with gradient, bodies and C kernels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinyfoa_rt.ir.c_program import Call, Statement
from tinyfoa_rt.ir.graph import Attribute, Graph, Node
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators import IN_PLACE, KernelFiles, Operator, Port, StandardOperator, no_scratch
from tinyfoa_rt.operators.lowering import Lowering
from tinyfoa_rt.operators.signature import Types
from tinyfoa_rt.operators.vjp import GradientPass, add_gradient

__all__ = ["SWISH", "SWISH_GRAD"]

_HERE = Path(__file__).parent
_KERNEL = KernelFiles(_HERE / "swish.h", (_HERE / "swish.c",))
_BODY = """<domain: "toys", opset_import: ["" : 18]>
Swish (x) => (y)
{
    s = Sigmoid (x)
    y = Mul (x, s)
}
"""


def _like_first(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    assert inputs[0] is not None
    return (inputs[0],)


def _always(graph: Graph, node: Node, axis: int) -> bool:
    return True


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    x = node.inputs[0]
    add_gradient(backward, node, "SwishGrad", (grad, backward.saved(x), backward.origin), backward.channel_size(x))


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    return [Call("swish", (lowering.elements(y), lowering.real(x), lowering.at(y)))]


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, x, grad_x = *node.inputs[:2], node.outputs[0]
    part = lowering.channel_part(node, x, node.input(2))
    return [*lowering.in_place(grad, grad_x), Call("swish_grad", (part, lowering.at(x), lowering.at(grad_x)))]


SWISH = StandardOperator(
    name="Swish",
    domain="toys",
    shape_rule=_like_first,
    memory=IN_PLACE,
    vjp=_vjp,
    lower=_lower,
    keeps_channels=_always,
    body=_BODY,
    kernel=_KERNEL,
)
SWISH_GRAD = Operator(
    name="SwishGrad",
    inputs=(Port("grad_y"), Port("x"), Port("origin", is_optional=True)),
    outputs=(Port("grad_x"),),
    shape_rule=_like_first,
    scratch=no_scratch,
    doc="grad_x = grad_y * (s + x s (1 - s)) with s = sigmoid(x).",
    memory=IN_PLACE,
    attributes=("channel_size",),
    lower=_lower_gradient,
    body=_HERE / "swish_grad.onnxtxt",
    kernel=_KERNEL,
)
