"""Batch normalization inside a trained block::

    y = gain * (x - mean) / sqrt(variance + epsilon) + shift

with running statistics, which are state and are updated before they are used: an exponential mean over samples and positions that
keeps the share m a step, so that batch 1 can train. With d = x - mean and a = 1 - m::

    mean'     = mean + a E[d]
    variance' = m variance + a (E[d^2] - a E[d]^2)                       of the mixture of what was and what came

They are constants of the step, so the gradient is scaled a channel. The shift is trained: it is the threshold of a channel, which
a bias before the normalization cannot move. The gain stays as it is in the model. With g the error of y::

    shift <- shift - share rate sum over samples and positions of g      ShiftSgdStep, for the channels of the active slice
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Number, Real, Statement, Value
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.names import statistics_of, successor
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.channels import by_channel
from tinyfoa_rt.operators.geometry import known, same_as_first
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering, call_in_place, channel_count, stop_if_measured
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, Memory, Operator, Port, StandardOperator, Types, no_scratch
from tinyfoa_rt.operators.vjp import GradientPass, add_gradient

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    gain = backward.builder.constant(node.inputs[1])
    followed = successor(statistics_of(node.outputs[0])[1])
    variance = followed if backward.builder.has(followed) else backward.builder.constant(node.inputs[4])  # of a frozen layer
    attributes = {"epsilon": node.float("epsilon", 1e-5), **backward.channel_size(node.inputs[0])}
    add_gradient(backward, node, "BatchNormalizationGrad", (grad, gain, variance, backward.origin), attributes)


def _running_shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    return known(inputs[0]), known(inputs[3]), known(inputs[4])


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    if node.inputs[3] in lowering.statistics:
        return _lower_trained(lowering, node)
    x, y = node.inputs[0], node.outputs[0]
    by = Fields("tfoa_normalization", (*map(lowering.real, node.inputs[1:5]), Real(node.float("epsilon", 1e-5))))
    return [Call("tfoa_batch_normalization", (lowering.channel_fields(x), by, lowering.real(x), lowering.at(y)))]


def _lower_trained(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Batch normalization of a trained block, outside of its step."""
    x, gain = node.inputs[:2]
    block, number = lowering.statistics[node.inputs[3]]
    epsilon = Real(node.float("epsilon", 1e-5))
    by = Fields("tfoa_running", (Number(block), Number(number), epsilon, lowering.real(gain)))
    shape = Fields("tfoa_channels", lowering.channels(x).values)
    given = (CONTEXT, by, shape, lowering.real(x), lowering.at(node.outputs[0]))
    return [Call("tfoa_running_normalization", given, may_fail=True)]


def _lower_running(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Statistics follow what comes, and then normalize it."""
    x, gain, shift, mean, variance = node.inputs
    momentum = Call("tfoa_scale_momentum", (CONTEXT, Real(node.float("momentum", 0.9))))
    shape, kept = lowering.channel_fields(x), (lowering.at(mean), lowering.at(variance))
    by = Fields("tfoa_normalization", (*map(lowering.real, (gain, shift)), *kept, Real(node.float("epsilon", 1e-5))))
    return [
        Call("tfoa_follow_statistics", (shape, momentum, lowering.real(x), *kept)),
        *stop_if_measured(lowering, node),
        Call("tfoa_batch_normalization", (shape, by, lowering.real(x), lowering.at(node.outputs[0]))),
    ]


def _lower_followed(lowering: Lowering, node: StepNode) -> list[Statement]:
    """What :func:`_lower_running` ends with."""
    x, gain, shift, mean, variance = node.inputs
    kept = lowering.at(mean), lowering.at(variance)
    by = Fields("tfoa_normalization", (*map(lowering.real, (gain, shift)), *kept, Real(node.float("epsilon", 1e-5))))
    return [Call("tfoa_batch_normalization", (lowering.channel_fields(x), by, lowering.real(x), lowering.at(node.outputs[0])))]


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, gain, variance = node.inputs[:3]
    given = Real(node.float("epsilon", 1e-5)), lowering.real(gain), lowering.real(variance)
    return call_in_place(lowering, node, "tfoa_batch_normalization_grad", (_part(lowering, node, (grad, gain)), *given))


def _lower_shift_step(lowering: Lowering, node: StepNode) -> list[Statement]:
    shift, grad, rate = node.inputs[:3]
    share = Real(node.float("share", 1.0)), Value("float", lowering.offsets[rate])
    part = _part(lowering, node, (grad, shift))
    return [Call("tfoa_shift_sgd_step", (part, *share, lowering.at(grad), lowering.at(shift)))]


def _part(lowering: Lowering, node: StepNode, given: tuple[str, str]) -> Fields:
    """Of the gradient ``given``: what is normalized are channels, or single columns where channels were flattened."""
    grad, parameter = given
    origin, shape, size = node.input(3), lowering.shape(grad), node.int("channel_size", 1)
    every = Number(math.prod(lowering.shape(parameter)))
    span: tuple[Argument, Argument] = Number(0), every
    if origin:
        span = Value("int32_t", lowering.offsets[origin] + 4, size), channel_count(lowering, origin, size)
    return Fields("tfoa_channel_part", (Braces((lowering.leading(shape), every, Number(math.prod(shape[2:])))), *span))


register(
    StandardOperator(name="BatchNormalization", memory=IN_PLACE, vjp=_vjp, lower=_lower, keeps_channels=by_channel),
    Operator(
        name="RunningBatchNormalization",
        inputs=(Port("x"), Port("gain"), Port("shift"), Port("mean"), Port("variance")),
        outputs=(Port("y"), Port("mean_next"), Port("variance_next")),
        shape_rule=_running_shapes,
        scratch=no_scratch,
        doc="Batch normalization by running statistics that are updated on the way.",
        memory=Memory(reuses={0: (0,)}, updates={1: 3, 2: 4}),
        attributes=("epsilon", "momentum"),
        lower=_lower_running,
    ),
    Operator(
        name="FollowedBatchNormalization",
        inputs=(Port("x"), Port("gain"), Port("shift"), Port("mean"), Port("variance")),
        outputs=(Port("y"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="Batch normalization by running statistics that have followed x already: the same y again.",
        memory=IN_PLACE,
        attributes=("epsilon",),
        lower=_lower_followed,
    ),
    Operator(
        name="ShiftSgdStep",
        inputs=(Port("shift"), Port("grad_y"), Port("rate"), Port("origin", is_optional=True)),
        outputs=(Port("shift_next"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="One plain step of the shift of the active slice's channels.",
        memory=Memory(updates={0: 0}),
        attributes=("share", "channel_size"),
        lower=_lower_shift_step,
    ),
    Operator(
        name="BatchNormalizationGrad",
        inputs=(Port("grad_y"), Port("gain"), Port("variance"), Port("origin", is_optional=True)),
        outputs=(Port("grad_x"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="grad_x = grad_y * gain / sqrt(variance + epsilon): the running statistics are taken as constants.",
        memory=IN_PLACE,
        attributes=("epsilon", "channel_size"),
        lower=_lower_gradient,
    ),
)
