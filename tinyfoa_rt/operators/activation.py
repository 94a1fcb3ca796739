"""Binary activations (design, section 2)::

h = s * 1[z > 0],  s = mean |z| (running mean, kept as state)         BinaryActivation
delta_z = delta_h * 1[f < z < 1], f = 0 (paper) or -1                 StraightThroughGrad
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.geometry import known, same_as_first, scalar
from tinyfoa_rt.operators.row import Memory, Operator, Port, Types

__all__ = ["activation_rows"]


def activation_rows() -> tuple[Operator, ...]:
    return (
        Operator(
            name="BinaryActivation",
            inputs=(Port("z"), Port("scale", is_optional=True)),
            outputs=(Port("h"), Port("scale_next", is_optional=True), Port("window", is_optional=True)),
            shape_rule=_binarize_shapes,
            doc="h = 1[z > 0] as bits; scale_next is the running mean of |z|; window = 1[window_floor < z < 1] as bits.",
            # Bits could be packed over z, but would then hold the storage of real numbers for as long as they live.
            memory=Memory(updates={1: 1}),
            attributes=("momentum", "window_floor"),
        ),
        Operator(
            name="BinaryToReal",
            inputs=(Port("h"), Port("scale", is_optional=True)),
            outputs=(Port("x"),),
            shape_rule=_to_real_shape,
            doc="x = scale * h in float32, or h itself: for operators that have no binary form.",
        ),
        Operator(
            name="StraightThroughGrad",
            inputs=(Port("grad_h"), Port("window"), Port("origin", is_optional=True)),
            outputs=(Port("grad_z"),),
            shape_rule=same_as_first,
            doc="grad_z = grad_h * window, for the rows of the active slice.",
            memory=Memory(reuses={0: (0,)}),
            attributes=("channel_size",),
        ),
    )


def _binarize_shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    bits = TensorType("bit", known(inputs[0]).shape)
    return bits, scalar(), bits


def _to_real_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    return (TensorType("float32", known(inputs[0]).shape),)
