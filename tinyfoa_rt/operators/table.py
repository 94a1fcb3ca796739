"""The table of all domain operators, and the memory rules of the standard operators that run beside them."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.operators.activation import activation_rows
from tinyfoa_rt.operators.gradients import gradient_rows
from tinyfoa_rt.operators.heads import head_rows
from tinyfoa_rt.operators.normalization import normalization_rows
from tinyfoa_rt.operators.products import product_rows
from tinyfoa_rt.operators.row import DOMAIN, Memory, Operator
from tinyfoa_rt.operators.updates import update_rows

__all__ = ["OPERATORS", "memory_rule", "operator"]

OPERATORS: Mapping[str, Operator] = {
    row.name: row
    for row in (
        *product_rows(),
        *activation_rows(),
        *head_rows(),
        *update_rows(),
        *normalization_rows(),
        *gradient_rows(),
    )
}

_VIEWS = frozenset({"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
# Element by element: the result may be written over the first input, and over the second where both are alike.
_UNARY = frozenset(
    {"Abs", "Ceil", "Clip", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Neg", "PRelu"}
    | {"Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softmax", "LogSoftmax", "Softplus", "Softsign", "Sqrt", "Tanh"}
    | {"BatchNormalization"}
)
_BINARY = frozenset({"Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum"})


def operator(name: str) -> Operator:
    """Return the row of a domain operator."""
    return OPERATORS[name]


def memory_rule(op_type: str, domain: str) -> Memory:
    """Return the memory rule of a domain operator or of a standard one; unknown operators reuse nothing."""
    if domain == DOMAIN and op_type in OPERATORS:
        return OPERATORS[op_type].memory
    if domain not in ("", "ai.onnx"):
        return _NO_REUSE
    if op_type in _VIEWS:
        return _VIEW
    if op_type in _BINARY:
        return _EITHER_IN_PLACE
    return _IN_PLACE if op_type in _UNARY else _NO_REUSE


_NO_REUSE = Memory()
_VIEW = Memory(views={0: 0})
_IN_PLACE = Memory(reuses={0: (0,)})
_EITHER_IN_PLACE = Memory(reuses={0: (0, 1)})
