"""The losses: one row each, from which planning, steps, artifacts, generated C and trainers take what they need.

Another package adds one with :func:`register_loss`. Beside the row it needs the operator: its row in the operator table and its
function body; where C99 is to train with it, a kernel and its lowering (docs/operators.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.vocabulary import Vocabulary

__all__ = ["LABEL_KINDS", "LOSSES", "PREDICTIONS", "Loss", "loss_of", "register_loss", "registered_loss"]

Array = NDArray[Any]

# What a sample's label is: the number of its class, int64; numbers from 0 to 1, one an output, float32; any numbers.
LABEL_KINDS = ("class", "probabilities", "numbers")
# What a score predicts: the class of the largest; each for itself 1 where it is above 0, else 0; the score itself.
PREDICTIONS = ("largest", "sign", "value")


@dataclass(frozen=True)
class Loss:
    """What is minimized.

    Attributes:
        name: as options, plans and artifacts have it.
        operator: of the domain, (scores, labels) -> (gradient of the scores, mean loss of the batch).
        labels: one of :data:`LABEL_KINDS`.
        prediction: one of :data:`PREDICTIONS`.
        measure: the mean loss over samples of scores (N, outputs), float32, and their labels, in float64.
        takes_logits: whether it holds the Softmax or Sigmoid at the model's end, and so attaches before it.
        weighted: the operator (scores, labels, factors of classes) -> the same, where the loss of a sample is multiplied by the
            factor of its class; empty where there is none.
        averages_outputs: whether it is a mean over outputs, so that each one's error is a share of the mean of all.
    """

    name: str
    operator: str
    labels: str
    prediction: str
    measure: Callable[[Array, Array], float]
    takes_logits: bool = True
    averages_outputs: bool = False
    weighted: str = ""

    def __post_init__(self) -> None:
        assert self.labels in LABEL_KINDS and self.prediction in PREDICTIONS, self.name
        assert (self.labels == "class") == (self.prediction == "largest"), self.name


def _cross_entropy(scores: Array, labels: Array) -> float:
    logits = scores.astype(np.float64)
    logits -= scores.max(axis=1, keepdims=True)
    total = (np.log(np.exp(logits).sum(axis=1)) - np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]).sum()
    return float(total / len(logits))


def _binary_cross_entropy(scores: Array, labels: Array) -> float:
    logits = scores.astype(np.float64)
    return float((np.logaddexp(0, logits) - logits * labels).sum() / len(logits))


def _mean_squared_error(scores: Array, labels: Array) -> float:
    return float(0.5 * np.mean((scores - labels) ** 2, dtype=np.float64))


_ROWS = (
    Loss(
        "cross-entropy",
        "SoftmaxCrossEntropy",
        "class",
        "largest",
        _cross_entropy,
        weighted="WeightedSoftmaxCrossEntropy",
    ),
    # The sum over the outputs.
    Loss("binary-cross-entropy", "BinaryCrossEntropy", "probabilities", "sign", _binary_cross_entropy),
    # Half of it.
    Loss(
        "mean-squared-error",
        "MeanSquaredError",
        "numbers",
        "value",
        _mean_squared_error,
        takes_logits=False,
        averages_outputs=True,
    ),
)

# By name, in the order in which options list them.
LOSSES = Vocabulary("loss", _ROWS)
register_loss, registered_loss, loss_of = LOSSES.register, LOSSES.registered, LOSSES.find
