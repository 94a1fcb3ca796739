"""A loss from outside of the package: Huber's, quadratic up to an error of 1 and linear beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.losses import Loss
from tinyfoa_rt.operators import Operator
from tinyfoa_rt.operators.losses import loss_operator

__all__ = ["HUBER", "HUBER_LOSS"]


def _measure(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    error = np.abs(scores.astype(np.float64) - labels)
    return float(np.mean(np.where(error < 1, 0.5 * error**2, error - 0.5)))


HUBER = Loss(
    name="huber",
    operator="HuberLoss",
    labels="numbers",
    prediction="value",
    measure=_measure,
    takes_logits=False,
    averages_outputs=True,
)

# With e the error and c = clip(e, -1, 1), the loss is c (e - c / 2) and its gradient c; both are means over all outputs.
_BODY = """<domain: "tinyfoa", opset_import: ["" : 18, "tinyfoa" : 1]>
HuberLoss (logits, target) => (grad_logits, loss)
{
    error = Sub (logits, target)
    lowest = Constant <value: tensor = float lowest {-1.0}> ()
    highest = Constant <value: tensor = float highest {1.0}> ()
    clipped = Clip (error, lowest, highest)
    count_int = Size (logits)
    count = Cast <to: int = 1> (count_int)
    grad_logits = Div (clipped, count)
    half = Constant <value: tensor = float half {0.5}> ()
    half_clipped = Mul (clipped, half)
    rest = Sub (error, half_clipped)
    each = Mul (grad_logits, rest)
    loss = ReduceSum <keepdims: int = 0> (each)
}
"""

HUBER_LOSS: Operator = loss_operator(HUBER, "Mean of Huber's loss against real labels, and its gradient.", body=_BODY)
