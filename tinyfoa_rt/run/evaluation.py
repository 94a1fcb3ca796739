"""How good predictions are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import LossRecord
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.losses import Loss
from tinyfoa_rt.run.data import LabelMap

__all__ = ["Evaluation", "accuracy_of", "evaluate_scores", "predict", "probabilities_of"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Evaluation:
    """Measures over a data set.

    Attributes:
        loss: mean over the samples (ir/losses.py).
        accuracy: share of samples that are classified right, of a binary loss that of outputs; ``None`` for a regression.
        balanced_accuracy: mean over the classes that occur of the share of each that is found; ``None`` for a regression.
    """

    loss: float
    accuracy: float | None
    balanced_accuracy: float | None


def evaluate_scores(scores: Array, labels: Array, loss: Loss) -> Evaluation:
    """Return the measures of ``scores`` (N, outputs) against ``labels``, classes (N,) or values (N, outputs)."""
    measured = loss.measure(scores, labels)
    if loss.prediction == "value":
        return Evaluation(measured, None, None)
    is_right, labels = _compared(scores, labels, loss.prediction)
    found = [is_right[labels == label].mean() for label in np.unique(labels)]
    return Evaluation(measured, float(is_right.mean()), float(np.mean(found)))


def accuracy_of(scores: Array, labels: Array, prediction: str) -> float:
    """Return the share of samples, or of outputs with labels of their own, that are classified right; 0 for a regression."""
    return 0.0 if prediction == "value" else float(_compared(scores, labels, prediction)[0].mean())


def predict(scores: Array, prediction: str, label_map: LabelMap | None = None) -> Array:
    """Return what scores (N, outputs) predict: labels (N,), 0 or 1 (N, outputs), of one output (N,), or the scores.

    Labels are class numbers without ``label_map``; an output that it has no label for is none that could be predicted.
    """
    if prediction == "value":
        return scores
    if prediction == "largest":
        found = np.asarray(scores[:, : None if label_map is None else len(label_map.labels)].argmax(axis=1))
    else:
        signs = (scores > 0).astype(np.int64)
        found = signs[:, 0] if signs.shape[1] == 1 else signs
    return found if label_map is None else label_map.labels_of(found)


def probabilities_of(scores: Array, loss: LossRecord) -> Array:
    """Return the probabilities (N, outputs), float32, that scores mean: over the classes, or of each output.

    Raises:
        UsageError: the model is one of numbers, not of classes.
    """
    if loss.prediction == "value":
        raise UsageError("probabilities", f"are of classes, and the model learns numbers ({loss.name})", "take predict")
    if loss.prediction == "sign":
        return np.asarray(0.5 * (1 + np.tanh(scores / 2)), dtype=np.float32)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def _compared(scores: Array, labels: Array, prediction: str) -> tuple[NDArray[np.bool_], Array]:
    """Whether each label is found, and the labels; where signs predict, each output has one."""
    if prediction == "sign":
        labels = labels > 0.5
        return (scores > 0) == labels, labels
    return scores.argmax(axis=1) == labels, labels
