"""What the assembly of a step graph is given: the block, its surroundings, and the sizes that planning tries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyfoa_rt.ir.block import Block, Slices
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.target import Target
from tinyfoa_rt.steps.trained_part import has_sign

__all__ = ["BlockSetting", "StepChoice", "binarizes_output", "block_settings", "scale_name", "statistics_names"]


def scale_name(value: str) -> str:
    """The tensor that holds the scale s of a binary value."""
    return f"{value}.scale"


def statistics_names(node: Node) -> tuple[str, str]:
    """The tensors that hold running mean and variance of a batch normalization in a trained block."""
    return f"{node.outputs[0]}.running_mean", f"{node.outputs[0]}.running_variance"


def binarizes_output(graph: Graph, block: Block, recipe: Recipe) -> bool:
    """Whether a block hands on bits: a classifier never does, nor one whose output is never negative."""
    return recipe.binarize == "both" and not block.is_classifier and has_sign(graph, block)


@dataclass(frozen=True)
class BlockSetting:
    """A block and what it is surrounded by; the same for all sizes that are tried.

    ``binary_values`` names the inputs that trained blocks hand over as bits, with the tensor of their scale; the empty string
    where they hand over none.
    """

    graph: Graph
    block: Block
    recipe: Recipe
    target: Target
    binary_values: Mapping[str, str]

    @property
    def is_binary(self) -> bool:
        """Whether the block's output is binarized."""
        return binarizes_output(self.graph, self.block, self.recipe)

    @property
    def pools_head(self) -> bool:
        """Whether the head sees channel means: only an output with positions has any."""
        return self.recipe.pools_head and len(self.graph.shape(self.block.output)) > 2

    @property
    def head_units(self) -> int:
        """How many numbers the local head sees: the whole output, or its channels."""
        return self.graph.shape(self.block.output)[1] if self.pools_head else self.graph.values[self.block.output].size

    @property
    def head_gain(self) -> float:
        """What a head's products are multiplied by: that of Kaiming's initialization."""
        return math.sqrt(2 / self.head_units)

    @property
    def head_positions(self) -> int:
        """How many positions a unit of the head is the mean of."""
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
    for block in blocks:
        own = recipe.of_classifier() if block.is_classifier else recipe
        entering = {name: binary[name] for name in block.inputs if name in binary}
        settings.append(BlockSetting(graph, block, own, target, entering))
        if settings[-1].is_binary:
            binary[block.output] = scale_name(block.output) if hands_scale else ""
    return tuple(settings)
