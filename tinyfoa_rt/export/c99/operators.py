"""The rules of all operators of the domain ``tinyfoa``, with those of binary values."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.export.c99.gradients import GRADIENT_RULES
from tinyfoa_rt.export.c99.heads import HEAD_RULES
from tinyfoa_rt.export.c99.trained_layers import TRAINED_LAYER_RULES
from tinyfoa_rt.ir.c_program import (
    Call,
    Number,
    Real,
    Statement,
)  # fmt: skip
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering, Rule, real_attribute, scale_of, stop_if_measured

__all__ = ["DOMAIN_RULES"]


def _binary_activation(lowering: Lowering, node: StepNode) -> list[Statement]:
    z, h = node.inputs[0], node.outputs[0]
    units = Number(lowering.columns(z))
    statements: list[Statement] = []
    if len(node.outputs) > 1:
        kept = Real(real_attribute(node, "momentum"))
        momentum = Call("tfoa_scale_momentum", (CONTEXT, kept))
        count = Number(lowering.type_of(z).size)
        scale = lowering.at(node.outputs[1])
        statements.append(Call("tfoa_follow_scale", (scale, lowering.at(z), count, momentum)))
        statements += stop_if_measured(lowering, node)
    statements.append(
        Call("tfoa_binary_activation", (lowering.at(z), lowering.rows_of(z), units, lowering.at(h, "uint32_t")))
    )  # fmt: skip
    if len(node.outputs) > 2 and node.outputs[2]:
        floor = Real(real_attribute(node, "window_floor"))
        window = lowering.at(node.outputs[2], "uint32_t")
        statements.append(Call("tfoa_straight_through_window", (lowering.at(z), lowering.rows_of(z), units, floor, window)))
    return statements


def _binary_to_real(lowering: Lowering, node: StepNode) -> list[Statement]:
    load, scale = scale_of(lowering, node.input(1))
    h = lowering.at(node.inputs[0], "const uint32_t")
    units = Number(lowering.columns(node.inputs[0]))
    return [*load, Call("tfoa_binary_to_real", (h, lowering.rows_of(node.inputs[0]), units, scale, lowering.at(node.outputs[0])))]


DOMAIN_RULES: Mapping[str, Rule] = {
    "BinaryActivation": _binary_activation,
    "BinaryToReal": _binary_to_real,
    **HEAD_RULES,
    **GRADIENT_RULES,
    **TRAINED_LAYER_RULES,
}
