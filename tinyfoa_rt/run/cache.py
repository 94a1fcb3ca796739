"""The activation cache: what enters the block in training, computed once, since the blocks before it no longer change.

Binary values take a bit each, levels from 0 to 3 two. What is larger than a limit lies in a memory-mapped file, which has no name
and so goes with the process.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.run.mapped_memory import mapped_array

__all__ = ["ActivationCache"]

Array = NDArray[Any]


class ActivationCache:
    """Rows of several values: filled in order, read in any.

    Args:
        num_rows: samples.
        binary_values: the values that are 0 or 1 where they are uint8, or with two ``bits`` 0 to 3.
        bits: of each element of these.
        limit_nbytes: a value that takes more lies in a file.
        folder: of that file; ``None`` for the system's temporary folder.
    """

    def __init__(
        self,
        num_rows: int,
        binary_values: Collection[str],
        bits: int = 1,
        limit_nbytes: int = 2**28,
        folder: str | None = None,
    ) -> None:
        self.num_rows = num_rows
        self.binary_values = binary_values
        self.bits = bits
        self.limit_nbytes = limit_nbytes
        self._folder = folder
        self._rows: dict[str, Array] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._rows)

    @property
    def nbytes(self) -> int:
        return sum(rows.nbytes for rows in self._rows.values())

    def put(self, start: int, count: int, values: Mapping[str, Array]) -> None:
        """Store ``count`` samples from ``start`` on, of one row each or of several; values that are uint32 are bits already."""
        for name, value in values.items():
            flat = value.reshape(count, -1)
            rows = self._packed(flat) if self._packs(name, value) else flat
            if name not in self._rows:
                self._shapes[name] = (len(value) // count, *value.shape[1:])
                self._rows[name] = self._allocate((self.num_rows, rows.shape[1]), rows.dtype)
            self._rows[name][start : start + len(rows)] = rows

    def gather(self, rows: Array, name: str) -> Array:
        """Return a value of the samples ``rows``, as it was put: (len(rows), ...) where each has one row."""
        shape = self._shapes[name]
        found = self._rows[name][rows]
        if self._packs(name, found):
            found = self._unpacked(found, math.prod(shape))
        return found.reshape(len(rows) * shape[0], *shape[1:])

    def _packs(self, name: str, value: Array) -> bool:
        return name in self.binary_values and value.dtype == np.uint8

    def _packed(self, flat: Array) -> Array:
        """Rows of whole numbers, plane by plane."""
        return np.concatenate([np.packbits(flat >> plane & 1, axis=1) for plane in range(self.bits)], axis=1)

    def _unpacked(self, rows: Array, count: int) -> Array:
        planes = [np.unpackbits(each, axis=1, count=count) for each in np.split(rows, self.bits, axis=1)]
        return planes[0] if self.bits == 1 else planes[0] | planes[1] << 1

    def _allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if math.prod(shape) * dtype.itemsize <= self.limit_nbytes:
            return np.empty(shape, dtype)
        return mapped_array(shape, dtype, self._folder)
