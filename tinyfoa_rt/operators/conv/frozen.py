"""Convolutions in a frozen part."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Fields, Number, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import NULL, Lowering
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.windows import window_of

__all__: list[str] = []


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, w = node.inputs[:2]
    bias = node.input(2)
    x_shape, y_shape = lowering.shape(x), lowering.shape(node.outputs[0])
    window = window_of(node, x_shape[2:], y_shape[2:], lowering.shape(w)[2:])
    counts = Number(node.int("group", 1)), Number(x_shape[1]), Number(y_shape[1])
    fields = Fields("tfoa_conv_shape", (window, lowering.rows_of(x), *counts))
    operands = lowering.real(x), lowering.real(w), lowering.real(bias) if bias else NULL
    return [Call("tfoa_conv", (fields, *operands, lowering.at(node.outputs[0])))]


register(StandardOperator(name="Conv", lower=_lower))
