"""Functions of one element: the result may be written over the input."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Real, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import Lowering, LowerRule
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, StandardOperator

__all__ = ["lower_unary"]

# Those that run in a frozen part alone.
_WITHOUT_GRADIENT = (
    *("Abs", "Ceil", "Elu", "Erf", "Exp", "Floor", "Log", "LogSoftmax", "PRelu", "Reciprocal", "Round", "Selu", "Sign"),
    *("Softsign", "Sqrt"),
)


def lower_unary(function: str, **parameters: float) -> LowerRule:
    """A kernel that works element by element; ``parameters`` are its attributes and their defaults."""

    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        numbers = (Real(node.float(name, default)) for name, default in parameters.items())
        count = lowering.elements(node.outputs[0])
        return [Call(function, (count, *numbers, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]

    return rule


register(
    *(StandardOperator(name=name, memory=IN_PLACE) for name in _WITHOUT_GRADIENT),
    StandardOperator(name="Softplus", memory=IN_PLACE, is_never_negative=True),
    StandardOperator(name="Neg", memory=IN_PLACE, lower=lower_unary("tfoa_neg")),
)
