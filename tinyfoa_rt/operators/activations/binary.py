"""Binary activations (design, section 2)::

h = s * 1[z > 0],  s = mean |z| (running mean, kept as state)         BinaryActivation
delta_z = delta_h * 1[f < z < 1], f = 0 (paper) or -1                 StraightThroughGrad
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Call, Number, Real, Statement
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.activations.gradient import lower_gradient
from tinyfoa_rt.operators.geometry import known, same_as_first, scalar
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering, real_attribute, scale_of, stop_if_measured
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, Memory, Operator, Port, Types, no_scratch

__all__: list[str] = []


def _binarize_shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    bits = TensorType("bit", known(inputs[0]).shape)
    return bits, scalar(), bits


def _to_real_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    return (TensorType("float32", known(inputs[0]).shape),)


def _lower_activation(lowering: Lowering, node: StepNode) -> list[Statement]:
    z, h = node.inputs[0], node.outputs[0]
    units = Number(lowering.columns(z))
    statements: list[Statement] = []
    if len(node.outputs) > 1:
        momentum = Call("tfoa_scale_momentum", (CONTEXT, Real(real_attribute(node, "momentum"))))
        count = Number(lowering.type_of(z).size)
        scale = lowering.at(node.outputs[1])
        statements.append(Call("tfoa_follow_scale", (scale, lowering.at(z), count, momentum)))
        statements += stop_if_measured(lowering, node)
    bits = lowering.at(h, "uint32_t")
    statements.append(Call("tfoa_binary_activation", (lowering.at(z), lowering.rows_of(z), units, bits)))
    if len(node.outputs) > 2 and node.outputs[2]:
        bounds = Real(real_attribute(node, "window_floor")), Real(1.0)
        window = lowering.at(node.outputs[2], "uint32_t")
        statements.append(Call("tfoa_pass_mask", (lowering.at(z), lowering.rows_of(z), units, *bounds, window)))
    return statements


def _lower_mask(lowering: Lowering, node: StepNode) -> list[Statement]:
    y, mask = node.inputs[0], lowering.at(node.outputs[0], "uint32_t")
    bounds = Real(real_attribute(node, "min")), Real(real_attribute(node, "max"))
    return [Call("tfoa_pass_mask", (lowering.at(y), lowering.rows_of(y), Number(lowering.columns(y)), *bounds, mask))]


def _lower_to_real(lowering: Lowering, node: StepNode) -> list[Statement]:
    load, scale = scale_of(lowering, node.input(1))
    h = lowering.at(node.inputs[0], "const uint32_t")
    units = Number(lowering.columns(node.inputs[0]))
    kernel = lowering.of_bits(node.inputs[0], "tfoa_binary_to_real", "tfoa_levels_to_real")
    return [*load, Call(kernel, (h, lowering.rows_of(node.inputs[0]), units, scale, lowering.at(node.outputs[0])))]


register(
    Operator(
        name="BinaryActivation",
        inputs=(Port("z"), Port("scale", is_optional=True)),
        outputs=(Port("h"), Port("scale_next", is_optional=True), Port("window", is_optional=True)),
        shape_rule=_binarize_shapes,
        scratch=no_scratch,
        doc="h = 1[z > 0] as bits; scale_next is the running mean of |z|; window = 1[window_floor < z < 1] as bits.",
        # Bits could be packed over z, but would then hold the storage of real numbers for as long as they live.
        memory=Memory(updates={1: 1}),
        attributes=("momentum", "window_floor"),
        lower=_lower_activation,
    ),
    Operator(
        name="BinaryToReal",
        inputs=(Port("h"), Port("scale", is_optional=True)),
        outputs=(Port("x"),),
        shape_rule=_to_real_shape,
        scratch=no_scratch,
        doc="x = scale * h in float32, or h itself: for operators that have no binary form.",
        lower=_lower_to_real,
    ),
    Operator(
        name="PassMask",
        inputs=(Port("y"),),
        outputs=(Port("mask"),),
        shape_rule=lambda inputs, attributes: (TensorType("bit", known(inputs[0]).shape),),
        scratch=no_scratch,
        doc="mask = 1[min < y < max] as bits: where an error passes, kept in place of y.",
        attributes=("min", "max"),
        lower=_lower_mask,
    ),
    Operator(
        name="StraightThroughGrad",
        inputs=(Port("grad_h"), Port("window"), Port("origin", is_optional=True)),
        outputs=(Port("grad_z"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="grad_z = grad_h * window, for the rows of the active slice.",
        memory=IN_PLACE,
        attributes=("channel_size",),
        lower=lower_gradient("tfoa_straight_through_grad"),
    ),
)
