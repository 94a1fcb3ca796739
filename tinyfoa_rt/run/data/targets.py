"""What a model learns to say of a sample: a class, or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.labels import as_labels

__all__ = ["as_targets", "is_regression"]


def is_regression(y: NDArray[Any]) -> bool:
    """Whether targets are rows of real numbers: neither class numbers nor one-hot rows."""
    if y.ndim < 2 or y.dtype.kind != "f":
        return False
    is_one_hot = y.ndim == 2 and y.shape[1] > 1 and bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
    return not is_one_hot


def as_targets(y: NDArray[Any], place: str) -> NDArray[Any]:
    """Return real targets as (N, outputs) float32, everything else as labels (N,) int64.

    Raises:
        InputError: empty, NaN or Inf with the row, or what :func:`as_labels` refuses.
    """
    if not is_regression(y):
        return as_labels(y, place)
    if len(y) == 0:
        raise InputError(place, "is empty", "give at least one sample")
    rows = y.reshape(len(y), -1).astype(np.float32)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise InputError(f"{place}, row {int(bad.argmax())}", "has a target that is NaN or infinite", "repair or drop the sample")
    return rows
