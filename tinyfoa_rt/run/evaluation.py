"""How good predictions are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluation", "accuracy_of", "evaluate_scores"]


@dataclass(frozen=True)
class Evaluation:
    """Measures over a data set.

    Attributes:
        loss: mean cross entropy, of a binary one the sum over the outputs; or half the mean squared error.
        accuracy: share of samples that are classified right, of a binary loss that of outputs; ``None`` for a regression.
        balanced_accuracy: mean over the classes that occur of the share of each that is found; ``None`` for a regression.
    """

    loss: float
    accuracy: float | None
    balanced_accuracy: float | None


def evaluate_scores(scores: NDArray[Any], target: NDArray[Any], loss: str) -> Evaluation:
    """Return the measures of ``scores`` (N, outputs) against ``target``, classes (N,) or values (N, outputs)."""
    if loss == "mean-squared-error":
        return Evaluation(float(0.5 * np.mean((scores - target) ** 2, dtype=np.float64)), None, None)
    logits = scores.astype(np.float64)
    is_right, labels = _compared(scores, target, loss)
    if loss == "binary-cross-entropy":
        total = (np.logaddexp(0, logits) - logits * target).sum()
    else:
        logits -= scores.max(axis=1, keepdims=True)
        total = (np.log(np.exp(logits).sum(axis=1)) - np.take_along_axis(logits, target[:, None], axis=1)[:, 0]).sum()
    found = [is_right[labels == label].mean() for label in np.unique(labels)]
    return Evaluation(float(total / len(logits)), float(is_right.mean()), float(np.mean(found)))


def accuracy_of(scores: NDArray[Any], target: NDArray[Any], loss: str) -> float:
    """Return the share of samples, of a binary cross entropy of outputs, that are classified right; 0 for a regression."""
    return 0.0 if loss == "mean-squared-error" else float(_compared(scores, target, loss)[0].mean())


def _compared(scores: NDArray[Any], target: NDArray[Any], loss: str) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Whether each label is found, and the labels; a binary cross entropy has one for each output."""
    if loss == "binary-cross-entropy":
        labels = target > 0.5
        return (scores > 0) == labels, labels
    return scores.argmax(axis=1) == target, target
