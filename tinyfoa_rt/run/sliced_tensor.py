"""A tensor that is kept slice after slice, so that a slice is trained where it lies and a turn copies nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Allocate", "Grid", "SlicedTensor"]

Array = NDArray[Any]
Allocate = Callable[[int], NDArray[np.float32]]


@dataclass(frozen=True)
class Grid:
    """How a layer is cut: bounds along its inputs and its outputs; slices are counted along the inputs first."""

    ins: tuple[int, ...]
    outs: tuple[int, ...]

    @property
    def num_bands(self) -> int:
        return len(self.ins) - 1

    @property
    def count(self) -> int:
        return self.num_bands * (len(self.outs) - 1)

    def part(self, index: int) -> tuple[int, slice, slice]:
        """The band of slice ``index``, its inputs and its outputs."""
        j, i = divmod(index, self.num_bands)
        return i, slice(self.ins[i], self.ins[i + 1]), slice(self.outs[j], self.outs[j + 1])


class SlicedTensor:
    """Real numbers (..., inputs, outputs) of a layer, float32.

    Args:
        shape: of the whole.
        grid: how its last two axes are cut.
        allocate: gives the memory for a number of elements.
    """

    def __init__(self, shape: tuple[int, ...], grid: Grid, allocate: Allocate) -> None:
        self.shape = shape
        self.grid = grid
        self.parts: list[Array] = []
        flat, start = allocate(int(np.prod(shape))), 0
        for index in range(grid.count):
            _, ins, outs = grid.part(index)
            part_shape = (*shape[:-2], ins.stop - ins.start, outs.stop - outs.start)
            stop = start + int(np.prod(part_shape))
            self.parts.append(flat[start:stop].reshape(part_shape))
            start = stop

    def whole(self) -> Array:
        """The tensor in one piece: a copy, where there is more than one slice."""
        if self.grid.count == 1:
            return self.parts[0]
        whole = np.empty(self.shape, dtype=np.float32)
        for index, part in enumerate(self.parts):
            _, ins, outs = self.grid.part(index)
            whole[..., ins, outs] = part
        return whole

    def assign(self, whole: Array | float) -> None:
        """Take over a whole tensor, or one number for all elements."""
        values = np.broadcast_to(whole, self.shape)
        for index, part in enumerate(self.parts):
            _, ins, outs = self.grid.part(index)
            part[...] = values[..., ins, outs]
