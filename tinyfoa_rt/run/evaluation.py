"""How good predictions are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluation", "evaluate_scores"]


@dataclass(frozen=True)
class Evaluation:
    """Measures over a data set.

    Attributes:
        loss: mean cross entropy, or half the mean squared error.
        accuracy: share of samples that are classified right; ``None`` for a regression.
        balanced_accuracy: mean over the classes that occur of the share of each that is found; ``None`` for a regression.
    """

    loss: float
    accuracy: float | None
    balanced_accuracy: float | None


def evaluate_scores(scores: NDArray[Any], target: NDArray[Any], loss: str) -> Evaluation:
    """Return the measures of ``scores`` (N, outputs) against ``target``, classes (N,) or values (N, outputs)."""
    if loss == "mean-squared-error":
        return Evaluation(float(0.5 * np.mean((scores - target) ** 2, dtype=np.float64)), None, None)
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(shifted, target[:, None], axis=1)[:, 0]
    mean_loss = float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))
    is_right = scores.argmax(axis=1) == target
    found = [is_right[target == label].mean() for label in np.unique(target)]
    return Evaluation(mean_loss, float(is_right.mean()), float(np.mean(found)))
