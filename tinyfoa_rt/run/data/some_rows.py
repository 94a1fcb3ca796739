"""Some rows of an array that may be memory-mapped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SomeRows"]


class SomeRows:
    """The rows ``rows`` (M,) of ``array`` (N, ...), read where they are asked for."""

    def __init__(self, array: NDArray[Any] | SomeRows, rows: NDArray[np.int64]) -> None:
        self._array = array
        self._rows = rows
        self.dtype: np.dtype[Any] = array.dtype
        self.shape: tuple[int, ...] = (len(rows), *array.shape[1:])
        self.ndim: int = array.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: NDArray[Any] | slice) -> NDArray[Any]:
        return np.asarray(self._array[self._rows[which]])
