"""What the assembly of a step graph is given: the block, its surroundings, and the sizes that planning tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tinyfoa_rt.ir.block import Block, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.target import Target

__all__ = ["BlockSetting", "Encoding", "StepChoice"]

Encoding = Literal["real", "binary"]


@dataclass(frozen=True)
class BlockSetting:
    """A block and what it is surrounded by; the same for all sizes that are tried.

    ``binary_values`` names the graph values that trained blocks hand over as bits and a scale.
    """

    graph: Graph
    block: Block
    recipe: Recipe
    target: Target
    binary_values: Mapping[str, str]

    @property
    def is_binary(self) -> bool:
        """Whether the block's output is binarized: never a classifier's."""
        return self.recipe.binarize == "both" and not self.block.is_classifier

    @property
    def pools_head(self) -> bool:
        """Whether the head sees channel means: only an output with positions has any."""
        return self.recipe.pools_head and len(self.graph.shape(self.block.output)) > 2

    @property
    def head_units(self) -> int:
        """How many numbers the local head sees: the whole output, or its channels."""
        return self.graph.shape(self.block.output)[1] if self.pools_head else self.graph.values[self.block.output].size


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
