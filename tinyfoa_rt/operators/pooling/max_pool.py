"""The largest element of each window."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Call, Number, Statement
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.channels import by_channel
from tinyfoa_rt.operators.geometry import POOL_ATTRIBUTES, explicit_window, known
from tinyfoa_rt.operators.lowering import Lowering
from tinyfoa_rt.operators.pooling.window import (
    MOST_PLACES,
    add_pool_gradient,
    gradient_window,
    input_shape,
    planes_of,
    pool_gradient_row,
    pool_window,
)
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import CompactForm, Operator, Port, StandardOperator, Types, no_scratch
from tinyfoa_rt.operators.vjp import GradientBuilder, GradientPass, add_gradient, refuse

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise refuse(node.name, "MaxPool with a second output (indices) has no gradient rule")
    places = backward.compact(node)
    if places:
        shape = backward.grad_type(node.inputs[0]).shape
        # Where the pool's input is never whole its gradient is not either: a product computes the one and reads the other.
        gradient = "MaxPlacesGrad" if backward.builder.has(node.inputs[0]) else "PooledErrors"
        add_gradient(backward, node, gradient, (grad, places), {"input_shape": shape})
        return
    size = backward.builder.graph.shape(node.inputs[0])[2:]
    window = {**explicit_window(size, node.attributes), "ceil_mode": node.int("ceil_mode", 0)}
    saved = backward.saved(node.inputs[0]), backward.saved(node.outputs[0])
    add_pool_gradient(backward, node, ("MaxPoolGrad", (grad, *saved)), window)


def _save_places(builder: GradientBuilder, node: Node, x: str) -> str:
    size = builder.graph.shape(node.inputs[0])[2:]
    if math.prod(size) > MOST_PLACES:
        return ""
    window = {**explicit_window(size, node.attributes), "ceil_mode": node.int("ceil_mode", 0)}
    window["output_size"] = builder.graph.shape(node.outputs[0])[2:]
    return builder.call("MaxPlaces", (x,), (own(node.outputs[0], "places"),), window)[0]


def _places_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    size = attributes["output_size"]
    assert isinstance(size, tuple)
    return (TensorType("uint16", (*known(inputs[0]).shape[:2], *(int(length) for length in size))),)


def _lower_places(lowering: Lowering, node: StepNode) -> list[Statement]:
    window, planes = pool_window(lowering, node)
    places = lowering.at(node.outputs[0], "uint16_t")
    return [Call("tfoa_max_places", (window, planes, lowering.real(node.inputs[0]), places))]


def _lower_places_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, places = node.inputs
    sizes = (lowering.shape(name)[2:] for name in (node.outputs[0], grad))
    areas = tuple(Number(math.prod(size)) for size in sizes)
    planes = planes_of(lowering, node, "")
    given = lowering.at(grad), lowering.at(places, "const uint16_t"), lowering.at(node.outputs[0])
    return [Call("tfoa_max_places_grad", (planes, *areas, *given))]


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    window, planes = pool_window(lowering, node)
    return [Call("tfoa_max_pool", (window, planes, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, x, _, grad_x = *node.inputs[:3], node.outputs[0]
    part = lowering.channel_part(node, x, node.input(3))
    places = lowering.at(grad), lowering.at(x), lowering.at(grad_x)
    return [Call("tfoa_max_pool_grad", (part, gradient_window(lowering, node), *places))]


register(
    StandardOperator(
        name="MaxPool",
        vjp=_vjp,
        compact=CompactForm("MaxPoolGrad", True, _save_places),
        lower=_lower,
        keeps_channels=by_channel,
    ),
    Operator(
        name="MaxPlaces",
        inputs=(Port("x"),),
        outputs=(Port("places"),),
        shape_rule=_places_shape,
        scratch=no_scratch,
        doc="Where in its image each window has its first largest element: kept in place of x.",
        attributes=(*POOL_ATTRIBUTES, "ceil_mode", "output_size"),
        lower=_lower_places,
    ),
    Operator(
        name="MaxPlacesGrad",
        inputs=(Port("grad_y"), Port("places")),
        outputs=(Port("grad_x"),),
        shape_rule=input_shape,
        scratch=no_scratch,
        doc="MaxPoolGrad by the places of the largest elements.",
        attributes=("input_shape",),
        lower=_lower_places_gradient,
    ),
    pool_gradient_row(
        "MaxPoolGrad",
        ("x", "y"),
        "The gradient goes to the first largest element of each window.",
        (*POOL_ATTRIBUTES, "ceil_mode", "input_shape"),
        _lower_gradient,
    ),
)
