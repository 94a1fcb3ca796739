"""Batch normalization inside a trained block::

    y = gain * (x - mean) / sqrt(variance + epsilon) + shift

with running statistics, which are state and are updated before they are used: an exponential mean over samples and positions that
keeps the share m a step, so that batch 1 can train. With d = x - mean and a = 1 - m::

    mean'     = mean + a E[d]
    variance' = m variance + a (E[d^2] - a E[d]^2)                       of the mixture of what was and what came

The shift is trained: it is the threshold of a channel, which a bias before the normalization cannot move. The gain stays as it is
in the model. With g the error of y::

    shift <- shift - share rate sum over samples and positions of g      ShiftSgdStep, for the channels of the active slice
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.geometry import known, same_as_first
from tinyfoa_rt.operators.row import Memory, Operator, Port, Types

__all__ = ["normalization_rows"]


def normalization_rows() -> tuple[Operator, ...]:
    return (
        Operator(
            name="RunningBatchNormalization",
            inputs=(Port("x"), Port("gain"), Port("shift"), Port("mean"), Port("variance")),
            outputs=(Port("y"), Port("mean_next"), Port("variance_next")),
            shape_rule=_shapes,
            doc="Batch normalization by running statistics that are updated on the way.",
            memory=Memory(reuses={0: (0,)}, updates={1: 3, 2: 4}),
            attributes=("epsilon", "momentum"),
        ),
        Operator(
            name="ShiftSgdStep",
            inputs=(Port("shift"), Port("grad_y"), Port("rate"), Port("origin", is_optional=True)),
            outputs=(Port("shift_next"),),
            shape_rule=same_as_first,
            doc="One plain step of the shift of the active slice's channels.",
            memory=Memory(updates={0: 0}),
            attributes=("share", "channel_size"),
        ),
    )


def _shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    return known(inputs[0]), known(inputs[3]), known(inputs[4])
