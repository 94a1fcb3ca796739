"""Relu and what is like it: linear in pieces."""

from __future__ import annotations

import math

from tinyfoa_rt.ir.c_program import Call, Real, Statement
from tinyfoa_rt.ir.graph import Attribute, Graph, Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.activations.gradient import (
    add_elementwise_gradient,
    gradient_from_output,
    gradient_row,
    lower_gradient,
    saved_as_mask,
)
from tinyfoa_rt.operators.channels import elementwise
from tinyfoa_rt.operators.elementwise.unary import lower_unary
from tinyfoa_rt.operators.lowering import Lowering, refuse
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, StandardOperator
from tinyfoa_rt.operators.updates import LARGEST
from tinyfoa_rt.operators.vjp import GradientPass
from tinyfoa_rt.operators.vjp import refuse as refuse_to_train

__all__: list[str] = []


def _limits(graph: Graph, node: Node) -> dict[str, Attribute]:
    """The constant limits of a Clip that it has, as its gradient takes them.

    Raises:
        UnsupportedError: one is computed.
    """
    limits: dict[str, Attribute] = {}
    for position, name in ((1, "min"), (2, "max")):
        value = node.input(position)
        if value and not graph.is_constant(value):
            raise refuse_to_train(node.name, f"its {name} is computed, but only a constant one has a gradient rule")
        if value:
            limits[name] = float(graph.constants[value].read())
    return limits


def _clip_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    limits = _limits(backward.builder.graph, node)
    add_elementwise_gradient(backward, node, ("ClipGrad", grad, node.outputs[0]), limits)


def _lower_clip(lowering: Lowering, node: StepNode) -> list[Statement]:
    limits = [-math.inf, math.inf]
    for position in (1, 2):
        name = node.input(position)
        if name:
            if name not in lowering.graph.constants:
                raise refuse(node, "clips to a computed limit")
            limits[position - 1] = float(lowering.graph.constants[name].read())
    count = lowering.elements(node.outputs[0])
    bounds = tuple(Real(limit) for limit in limits)
    return [Call("tfoa_clip", (count, *bounds, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


register(
    StandardOperator(
        name="Relu",
        memory=IN_PLACE,
        vjp=gradient_from_output("ReluGrad"),
        compact=saved_as_mask("ReluGrad", lambda graph, node: {"min": 0.0}),
        lower=lower_unary("tfoa_relu"),
        keeps_channels=elementwise,
        is_never_negative=True,
    ),
    StandardOperator(
        name="LeakyRelu",
        memory=IN_PLACE,
        vjp=gradient_from_output("LeakyReluGrad", "alpha"),
        lower=lower_unary("tfoa_leaky_relu", alpha=0.01),
        keeps_channels=elementwise,
    ),
    StandardOperator(
        name="Clip",
        memory=IN_PLACE,
        vjp=_clip_vjp,
        compact=saved_as_mask("ClipGrad", _limits),
        lower=_lower_clip,
        keeps_channels=elementwise,
    ),
    gradient_row("ReluGrad", "y", "grad_x = grad_y * (1[y > 0]).", ("channel_size",), lower_gradient("tfoa_relu_grad")),
    gradient_row(
        "ClipGrad",
        "y",
        "grad_x = grad_y * (1[min < y < max]).",
        ("min", "max", "channel_size"),
        lower_gradient("tfoa_clip_grad", min=-LARGEST, max=LARGEST),
    ),
    gradient_row(
        "LeakyReluGrad",
        "y",
        "grad_x = grad_y * (1 where y > 0, else alpha).",
        ("alpha", "channel_size"),
        lower_gradient("tfoa_leaky_relu_grad", alpha=0.01),
    ),
)
