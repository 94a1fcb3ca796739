"""A tensor that is kept slice after slice, so that a slice is trained where it lies and a turn copies nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.slices import SliceGrid

__all__ = ["Allocate", "SlicedTensor"]

Array = NDArray[Any]
_REAL = np.dtype(np.float32)
Allocate = Callable[[int, "np.dtype[Any]"], Array]


class SlicedTensor:
    """Numbers (..., inputs, outputs) of a layer.

    Args:
        shape: of the whole.
        grid: how its last two axes are cut.
        allocate: gives the memory for a number of elements of a type.
        dtype: their type.
    """

    def __init__(self, shape: tuple[int, ...], grid: SliceGrid, allocate: Allocate, dtype: np.dtype[Any] = _REAL) -> None:
        self.shape = shape
        self._dtype = dtype
        self.grid = grid
        self.parts: list[Array] = []
        flat, start = allocate(int(np.prod(shape)), dtype), 0
        for part in grid:
            part_shape = (*shape[:-2], part.num_ins, part.num_outs)
            stop = start + int(np.prod(part_shape))
            self.parts.append(flat[start:stop].reshape(part_shape))
            start = stop

    def whole(self) -> Array:
        """The tensor in one piece: a copy, where there is more than one slice."""
        if self.grid.count == 1:
            return self.parts[0]
        whole = np.empty(self.shape, dtype=self._dtype)
        for (_, ins, outs), part in zip(self.grid, self.parts):
            whole[..., ins, outs] = part
        return whole

    def assign(self, whole: Array | float) -> None:
        """Take over a whole tensor, or one number for all elements."""
        values = np.broadcast_to(whole, self.shape)
        for (_, ins, outs), part in zip(self.grid, self.parts):
            part[...] = values[..., ins, outs]
