"""Labels, what a model learns to say of a sample: a class, or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.classes import LARGEST_NUM_CLASSES, as_classes, is_one_hot

__all__ = ["as_labels", "is_regression"]


def is_regression(y: NDArray[Any]) -> bool:
    """Whether labels are numbers for each output: no classes, and no one-hot rows.

    A row of 0 and 1 with several ones, or none, says of each output whether it holds. Of one output, real numbers are classes
    where they are whole and none is below zero, or where there are but two different ones.
    """
    if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
        return y.dtype.kind == "f" and not _are_classes(y)
    if y.ndim < 2 or y.dtype.kind not in "biuf" or is_one_hot(y):
        return False
    is_binary = y.ndim == 2 and bool(((y == 0) | (y == 1)).all())
    return is_binary or y.dtype.kind == "f"


def as_labels(y: NDArray[Any], place: str, *, are_numbers: bool) -> NDArray[Any]:
    """Return numbers as (N, outputs) float32, everything else as classes (N,): names, or int64.

    Raises:
        InputError: empty, names among numbers, NaN or Inf with the row, or what :func:`as_classes` refuses.
    """
    if not are_numbers:
        return as_classes(y, place)
    if len(y) == 0:
        raise InputError(place, "is empty", "give at least one sample")
    if y.dtype.kind not in "biuf":
        raise InputError(place, "has labels that are names, the other part numbers", "store both as names, or as numbers")
    rows = y.reshape(len(y), -1).astype(np.float32)
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise InputError(f"{place}, row {int(bad.argmax())}", "has a label that is NaN or infinite", "repair or drop the sample")
    return rows


def _are_classes(y: NDArray[Any]) -> bool:
    if not (np.isfinite(y).all() and (y == np.floor(y)).all()):
        return False
    return bool(((y >= 0) & (y < LARGEST_NUM_CLASSES)).all()) or len(np.unique(y)) == 2
