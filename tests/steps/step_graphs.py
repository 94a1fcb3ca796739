"""Step graphs and programs of small models, for tests."""

from __future__ import annotations

from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.partition import merge_parts, partition, select_blocks, select_shares, with_shares
from tinyfoa_rt.steps import BlockContext, StepChoice, assemble_step, block_contexts

__all__ = ["all_steps", "contexts_of", "step_of"]


def contexts_of(
    graph: Graph, profile: Profile, recipe: Recipe, block_layers: str = "1", train: str = "all"
) -> list[BlockContext]:
    """The contexts of the trained blocks, which end where ``block_layers`` says."""
    parts = partition(graph)
    trained = select_blocks(parts.blocks, train)
    graph, parts = with_shares(graph, parts, select_shares(parts.blocks, train))
    blocks = [block for block in merge_parts(graph, parts, trained, block_layers).blocks if block.name in trained]
    return [*block_contexts(graph, blocks, recipe, profile)]


def step_of(graph: Graph, index: int, profile: Profile, choice: StepChoice, **recipe: object) -> StepGraph:
    """The step graph of one block of one layer; ``recipe`` are fields of :class:`Recipe`."""
    chosen = Recipe(**{"num_outputs": 3, **recipe})  # type: ignore[arg-type]
    return assemble_step(contexts_of(graph, profile, chosen)[index], choice)


def all_steps(graph: Graph, profile: Profile, recipe: Recipe, grid: tuple[int, int] = (1, 1)) -> list[StepGraph]:
    """The step graphs of all blocks at batch 2."""
    choice = StepChoice(Slices(*grid), 2, grid != (1, 1))
    return [assemble_step(context, choice) for context in contexts_of(graph, profile, recipe)]
