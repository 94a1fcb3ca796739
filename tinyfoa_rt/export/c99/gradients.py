"""Gradients through what lies between a trained layer and its block's output -> calls of targets/c99/kernels/backward.h."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.export.c99.lowering import Lowering, Rule
from tinyfoa_rt.export.c99.program import Argument, Call, Real, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.ops.row import snake_case
from tinyfoa_rt.ops.updates import LARGEST

__all__ = ["GRADIENT_RULES"]


def _elementwise(**parameters: float) -> Rule:
    """A gradient in its own place, by what was saved; ``parameters`` are attributes of the kernel and their defaults."""

    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        saved = node.inputs[1]
        numbers = [Real(node.float(name, default)) for name, default in parameters.items()]
        values: list[Argument] = [*numbers, lowering.at(saved, _c_type(lowering, saved))]
        return _in_place(lowering, node, (lowering.channel_part(node, saved, node.input(2)), *values))

    return rule


def _c_type(lowering: Lowering, saved: str) -> str:
    return "const uint32_t" if lowering.type_of(saved).dtype == "bit" else "float"


def _in_place(lowering: Lowering, node: StepNode, arguments: tuple[Argument, ...]) -> list[Statement]:
    grad, grad_x = node.inputs[0], node.outputs[0]
    return [*lowering.in_place(grad, grad_x), Call(f"tfoa_{snake_case(node.op_type)}", (*arguments, lowering.at(grad_x)))]


GRADIENT_RULES: Mapping[str, Rule] = {
    "ReluGrad": _elementwise(),
    "ClipGrad": _elementwise(min=-LARGEST, max=LARGEST),
    "LeakyReluGrad": _elementwise(alpha=0.01),
    "SigmoidGrad": _elementwise(),
    "TanhGrad": _elementwise(),
    "HardSigmoidGrad": _elementwise(alpha=0.2),
    "HardSwishGrad": _elementwise(),
    "StraightThroughGrad": _elementwise(),
}
