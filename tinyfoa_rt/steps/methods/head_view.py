"""What a local head sees of a block's output: all of it, each channel's mean, or the means of a grid of cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.steps.block_context import BlockContext

__all__ = ["HeadView", "view_of"]

# Cells of a head's grid along an axis: they keep where something is, and a head of few units.
_GRID = 4


@dataclass(frozen=True, slots=True)
class HeadView:
    """How the output of a block becomes the units that its head multiplies.

    Attributes:
        pool: ``none`` where each element is a unit, ``average`` where each channel is one, ``grid`` where each cell of it is.
        size: positions of the output along each axis.
        cell: positions of a cell of the grid along each axis; the last ones may be smaller.
        units: how many numbers the head sees.
        positions: how many positions a unit is the mean of; of a grid with smaller cells at its ends, on average.
    """

    pool: str
    size: tuple[int, ...]
    cell: tuple[int, ...]
    units: int
    positions: int

    @property
    def cells(self) -> tuple[int, ...]:
        """How many cells the grid has along each axis: at most four."""
        return _cells(self.size, self.cell)

    @property
    def gain(self) -> float:
        """What a head's products are multiplied by: that of Kaiming's initialization."""
        return math.sqrt(2 / self.units)

    @property
    def window(self) -> dict[str, Attribute]:
        """The grid as a pooling window: cells side by side, the last of which may reach beyond the end."""
        beyond = tuple(count * length - whole for count, length, whole in zip(self.cells, self.cell, self.size))
        return {"kernel_shape": self.cell, "strides": self.cell, "pads": (*(0 for _ in self.size), *beyond)}


def view_of(context: BlockContext) -> HeadView:
    """Return what the head of a block sees."""
    shape, elements = context.graph.shape(context.block.output), context.graph.values[context.block.output].size
    pool, size = _pool(context), shape[2:]
    cell = tuple(-(-length // _GRID) for length in size)
    units = {"none": elements, "average": math.prod(shape[1:2]), "grid": math.prod((*shape[1:2], *_cells(size, cell)))}[pool]
    return HeadView(pool, size, cell, units, elements // units)


def _pool(context: BlockContext) -> str:
    """Only an output with positions has means, and a grid is for kernels, which many positions share."""
    pool, size = context.recipe.head_pool, context.graph.shape(context.block.output)[2:]
    is_coarse = all(length <= _GRID for length in size)
    if not size or (pool == "grid" and (is_coarse or any(layer.kind not in ("conv", "bias") for layer in context.block.layers))):
        return "none"
    return pool


def _cells(size: tuple[int, ...], cell: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-length // each) for length, each in zip(size, cell))
