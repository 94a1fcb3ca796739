"""What the assembly of a step graph is given: the block, its surroundings, and the sizes that planning tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyfoa_rt.ir.block import Block, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.steps.rows import disordered, rows_in_order
from tinyfoa_rt.steps.training_nodes import has_sign

__all__ = ["BlockContext", "StepChoice", "binarizes_output", "block_contexts"]


def binarizes_output(graph: Graph, block: Block, recipe: Recipe) -> bool:
    """Whether a block hands on bits: a classifier never does, nor one whose output is never negative or read as it is."""
    return recipe.binarize == "both" and not (block.is_classifier or block.keeps_reals) and has_sign(graph, block)


@dataclass(frozen=True)
class BlockContext:
    """A block and what it is surrounded by; the same for all sizes that are tried.

    ``binary_values`` names the inputs that trained blocks hand over as bits, with the tensor of their scale; the empty string
    where they hand over none. ``disorder`` says why the block cannot be trained on single samples, if it cannot.
    """

    graph: Graph
    block: Block
    recipe: Recipe
    profile: Profile
    binary_values: Mapping[str, str]
    disorder: str = ""

    @property
    def is_binary(self) -> bool:
        """Whether the block's output is binarized."""
        return binarizes_output(self.graph, self.block, self.recipe)


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


def block_contexts(graph: Graph, blocks: Sequence[Block], recipe: Recipe, profile: Profile) -> tuple[BlockContext, ...]:
    """The contexts of the blocks that are trained, in their order."""
    hands_scale = recipe.block_output == "scaled"
    binary: dict[str, str] = {}
    contexts = []
    ordered = rows_in_order(graph)
    for block in blocks:
        own = recipe.of_classifier() if block.is_classifier else recipe
        entering = {name: binary[name] for name in block.inputs if name in binary}
        contexts.append(BlockContext(graph, block, own, profile, entering, disordered(graph, block, ordered)))
        if contexts[-1].is_binary:
            binary[block.output] = scale_of(block.output) if hands_scale else ""
    return tuple(contexts)
