"""Step graphs and programs of small models, for tests."""

from __future__ import annotations

from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.ir.target import Target
from tinyfoa_rt.partition import partition
from tinyfoa_rt.steps import BlockSetting, StepChoice, assemble_step
from tinyfoa_rt.steps.forward import scale_name

__all__ = ["all_steps", "settings_of", "step_of"]


def settings_of(graph: Graph, target: Target, recipe: Recipe) -> list[BlockSetting]:
    """The settings of all blocks, all of them trained."""
    blocks = partition(graph).blocks
    is_binary = recipe.binarize == "both"
    binary = {block.output: scale_name(block.output) for block in blocks if is_binary and not block.is_classifier}
    return [BlockSetting(graph, b, recipe, target, {x: binary[x] for x in b.inputs if x in binary}) for b in blocks]


def step_of(graph: Graph, index: int, target: Target, choice: StepChoice, **recipe: object) -> StepGraph:
    """The step graph of one block; ``recipe`` are fields of :class:`Recipe`."""
    chosen = Recipe(**{"num_outputs": 3, **recipe})  # type: ignore[arg-type]
    return assemble_step(settings_of(graph, target, chosen)[index], choice)


def all_steps(graph: Graph, target: Target, recipe: Recipe, grid: tuple[int, int] = (1, 1)) -> list[StepGraph]:
    """The step graphs of all blocks at batch 2."""
    choice = StepChoice(Slices(*grid), 2, grid != (1, 1))
    return [assemble_step(setting, choice) for setting in settings_of(graph, target, recipe)]
