"""What the assembly of a step graph is given: the block, its surroundings, and the sizes that planning tries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyfoa_rt.ir.block import Block, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.target import Target
from tinyfoa_rt.steps.rows import disordered, rows_in_order
from tinyfoa_rt.steps.trained_part import has_sign

__all__ = ["BlockSetting", "StepChoice", "binarizes_output", "block_settings"]

# Cells of a head's grid along an axis: they keep where something is, and a head of few units.
_GRID = 4


def binarizes_output(graph: Graph, block: Block, recipe: Recipe) -> bool:
    """Whether a block hands on bits: a classifier never does, nor one whose output is never negative or read as it is."""
    return recipe.binarize == "both" and not (block.is_classifier or block.keeps_reals) and has_sign(graph, block)


@dataclass(frozen=True)
class BlockSetting:
    """A block and what it is surrounded by; the same for all sizes that are tried.

    ``binary_values`` names the inputs that trained blocks hand over as bits, with the tensor of their scale; the empty string
    where they hand over none. ``disorder`` says why the block cannot be trained on single samples, if it cannot.
    """

    graph: Graph
    block: Block
    recipe: Recipe
    target: Target
    binary_values: Mapping[str, str]
    disorder: str = ""

    @property
    def is_binary(self) -> bool:
        """Whether the block's output is binarized."""
        return binarizes_output(self.graph, self.block, self.recipe)

    @property
    def head_pool(self) -> str:
        """What the head sees: only an output with positions has means, and a grid is for kernels, which many positions share."""
        pool, size = self.recipe.head_pool, self.graph.shape(self.block.output)[2:]
        is_coarse = all(length <= _GRID for length in size)
        if not size or (pool == "grid" and (is_coarse or any(layer.kind != "conv" for layer in self.block.layers))):
            return "none"
        return pool

    @property
    def head_cell(self) -> tuple[int, ...]:
        """The size of a cell of the grid; the last ones may be smaller."""
        return tuple(-(-length // _GRID) for length in self.graph.shape(self.block.output)[2:])

    @property
    def head_cells(self) -> tuple[int, ...]:
        """How many cells the grid has along each axis: at most four."""
        return tuple(-(-length // cell) for length, cell in zip(self.graph.shape(self.block.output)[2:], self.head_cell))

    @property
    def head_units(self) -> int:
        """How many numbers the local head sees: the whole output, its channels, or each channel's cells."""
        if self.head_pool == "none":
            return self.graph.values[self.block.output].size
        cells = math.prod(self.head_cells) if self.head_pool == "grid" else 1
        return self.graph.shape(self.block.output)[1] * cells

    @property
    def head_gain(self) -> float:
        """What a head's products are multiplied by: that of Kaiming's initialization."""
        return math.sqrt(2 / self.head_units)

    @property
    def head_positions(self) -> int:
        """How many positions a unit of the head is the mean of; of a grid with smaller cells at its ends, on average."""
        return self.graph.values[self.block.output].size // self.head_units


@dataclass(frozen=True, slots=True)
class StepChoice:
    """Sizes of a training step.

    ``holds_slice`` is true where only the active slice is in RAM, false where all is; ``hands_on`` where the block's output is
    kept for the next block, which trains on the same batch.
    """

    slices: Slices
    batch: int
    holds_slice: bool
    hands_on: bool = False


def block_settings(graph: Graph, blocks: Sequence[Block], recipe: Recipe, target: Target) -> tuple[BlockSetting, ...]:
    """The settings of the blocks that are trained, in their order."""
    hands_scale = recipe.handover == "scaled"
    binary: dict[str, str] = {}
    settings = []
    ordered = rows_in_order(graph)
    for block in blocks:
        own = recipe.of_classifier() if block.is_classifier else recipe
        entering = {name: binary[name] for name in block.inputs if name in binary}
        settings.append(BlockSetting(graph, block, own, target, entering, disordered(graph, block, ordered)))
        if settings[-1].is_binary:
            binary[block.output] = scale_of(block.output) if hands_scale else ""
    return tuple(settings)
