"""Activations of two bits: levels of a running mean of |z|::

    s = mean |z| (running mean, kept as state)                              FollowScale
    h = the level, 0 to 3, that z / s is nearest to                         LevelActivation
    delta_z = delta_h * 1[f < z / s < 3.5], f = -0.5 or 0                   StraightThroughGrad

A head sees s h, which is z rounded, so that the error passes as it is. The next layer multiplies h, as it does bits: products add
up the ones of the low bits and twice those of the high ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Call, Number, Real, Statement
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.geometry import known, scalar
from tinyfoa_rt.operators.lowering import CONTEXT, NULL, Lowering, real_attribute, scale_of, stop_if_measured
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Memory, Operator, Port, Types, no_scratch

__all__: list[str] = []


def _shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    shape = known(inputs[0]).shape
    return TensorType("level", shape), TensorType("bit", shape)


def _lower_follow(lowering: Lowering, node: StepNode) -> list[Statement]:
    z, scale = node.inputs[0], node.outputs[0]
    momentum = Call("tfoa_scale_momentum", (CONTEXT, Real(real_attribute(node, "momentum"))))
    count = Number(lowering.type_of(z).size)
    follow = Call("tfoa_follow_scale", (lowering.at(scale), lowering.at(z), count, momentum))
    return [follow, *stop_if_measured(lowering, node)]


def _lower_levels(lowering: Lowering, node: StepNode) -> list[Statement]:
    z, window = node.inputs[0], "".join(node.outputs[1:])
    load, scale = scale_of(lowering, node.inputs[1])
    given = lowering.at(z), lowering.rows_of(z), Number(lowering.columns(z)), scale
    floor = Real(node.float("window_floor", 0.0))
    masked = lowering.at(window, "uint32_t") if window else NULL
    return [*load, Call("tfoa_level_activation", (*given, floor, lowering.at(node.outputs[0], "uint32_t"), masked))]


register(
    Operator(
        name="FollowScale",
        inputs=(Port("z"), Port("scale")),
        outputs=(Port("scale_next"),),
        shape_rule=lambda inputs, attributes: (scalar(),),
        scratch=no_scratch,
        doc="scale_next is the running mean of |z|.",
        memory=Memory(updates={0: 1}),
        attributes=("momentum",),
        lower=_lower_follow,
    ),
    Operator(
        name="LevelActivation",
        inputs=(Port("z"), Port("scale")),
        outputs=(Port("h"), Port("window", is_optional=True)),
        shape_rule=_shapes,
        scratch=no_scratch,
        doc="h = how many of 1/2, 3/2 and 5/2 are below z / scale, in two bits; window = 1[window_floor < z / scale < 7/2].",
        attributes=("window_floor",),
        lower=_lower_levels,
    ),
)
