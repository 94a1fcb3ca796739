"""Local response normalization across channels."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Fields, Number, Real, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.geometry import same_as_first
from tinyfoa_rt.operators.lowering import Lowering
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Operator, Port, StandardOperator, no_scratch
from tinyfoa_rt.operators.vjp import GradientPass, add_gradient

__all__: list[str] = []

_ATTRIBUTES = ("alpha", "beta", "bias", "size")


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    inputs = (grad, backward.saved(node.inputs[0]), backward.saved(node.outputs[0]))
    attributes = {name: node.attributes[name] for name in _ATTRIBUTES if name in node.attributes}
    add_gradient(backward, node, "LRNGrad", inputs, attributes)


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    return [Call("tfoa_lrn", (_shape(lowering, node, x), lowering.real(x), lowering.at(y)))]


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    places = (lowering.at(name) for name in (*node.inputs, node.outputs[0]))
    return [Call("tfoa_lrn_grad", (_shape(lowering, node, node.inputs[1]), *places))]


def _shape(lowering: Lowering, node: StepNode, x: str) -> Fields:
    size = Number(node.int("size", 1))
    given = (Real(node.float(name, default)) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return Fields("tfoa_lrn_shape", (lowering.channels(x), size, *given))


register(
    StandardOperator(name="LRN", vjp=_vjp, lower=_lower),
    Operator(
        name="LRNGrad",
        inputs=(Port("grad_y"), Port("x"), Port("y")),
        outputs=(Port("grad_x"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="Gradient of local response normalization across channels.",
        attributes=_ATTRIBUTES,
        lower=_lower_gradient,
    ),
)
