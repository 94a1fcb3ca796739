"""A split into training and test set where the data come without one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["split_stratified"]

_SEED = 0


def split_stratified(y: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the training set and of the test set, each ascending.

    A fifth of each class, rounded, is for testing: a class of one or two samples is for training only. The rows are drawn
    by ``numpy.random.default_rng(0)``, so that the same data are always split alike.
    """
    rng = np.random.default_rng(_SEED)
    is_test = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        is_test[rng.permutation(rows)[: (len(rows) + 2) // 5]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)
