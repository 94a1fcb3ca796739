"""Predictions as a table of text, one line a sample."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

__all__ = ["predictions_csv"]


def predictions_csv(predicted: NDArray[Any], probabilities: NDArray[Any] | None, labels: Sequence[str]) -> str:
    """Return a .csv with a header.

    Args:
        predicted: labels (N,), or a number or a 0 or 1 for each output (N, outputs).
        probabilities: (N, outputs), each a column more.
        labels: what the outputs stand for, in their order; one of a binary model with one output is its second label.
    """
    rows = predicted.reshape(len(predicted), -1).tolist()
    names = ["prediction"] if len(rows[0]) == 1 else [f"prediction {label}" for label in labels]
    if probabilities is not None:
        rows = [[*row, *(f"{share:.6g}" for share in shares)] for row, shares in zip(rows, probabilities.tolist())]
        names = [*names, *(f"p({label})" for label in labels[-probabilities.shape[1] :])]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows(rows)
    return text.getvalue()
