"""What of a planned model lies in the storage of generated C."""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.ir.names import scale_of, shift_of, statistics_of
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.storage import StoredLayer, StoredModel
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.storage_layout import lay_out
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import BlockContext
from tinyfoa_rt.steps.training_nodes import running_statistics

__all__ = ["block_model", "followed_by", "header_of", "stored_layers", "stored_model", "stored_of"]


def stored_model(task: PlanningTask, candidates: Sequence[Candidate]) -> StoredModel:
    """Return what the trained blocks of ``task`` keep, each in the sizes of its candidate."""
    return StoredModel(
        optimizer=optimizer_of(task.recipe.optimizer),
        layers=tuple(layer for context, each in zip(task.contexts, candidates) for layer in stored_layers(context, each)),
        scales=tuple(scale_of(context.block.output) for context in task.contexts if context.is_binary),
        statistics={name: length for context in task.contexts for name, length in followed_by(context).items()},
    )


def block_model(task: PlanningTask, index: int, candidate: Candidate) -> StoredModel:
    """Return what trained block ``index`` alone keeps."""
    return StoredModel(optimizer_of(task.recipe.optimizer), stored_layers(task.contexts[index], candidate))


def header_of(task: PlanningTask, candidates: Sequence[Candidate]) -> int:
    """Bytes of a header, which every turn that ends writes; none where there are no headers."""
    has_headers = task.profile.runtime == "c99" and task.profile.nonvolatile_bytes != 0
    return 4 * lay_out(stored_model(task, candidates)).header_words if has_headers else 0


def stored_of(task: PlanningTask, index: int, candidate: Candidate) -> int:
    """Bytes that block ``index`` alone would store; 0 where they are the same for all candidates: on onnxruntime, and in RAM."""
    has_slots = task.profile.runtime == "c99" and task.profile.nonvolatile_bytes != 0
    return lay_out(block_model(task, index, candidate)).nbytes if has_slots else 0


def stored_layers(context: BlockContext, candidate: Candidate) -> tuple[StoredLayer, ...]:
    """Return the layers of one block."""
    return tuple(
        StoredLayer(
            layer.name,
            SliceGrid.of(layer, candidate.slices),
            taps=layer.taps,
            is_binary=context.recipe.binarize != "none",
            has_bias=layer.bias is not None,
        )
        for layer in context.block.layers
    )


def followed_by(context: BlockContext) -> dict[str, int]:
    """Return running mean, variance and trained shift of a block's batch normalizations, each with its length."""
    return {
        name: context.graph.values[node.inputs[3]].size
        for node in running_statistics(context.block)
        for name in (*statistics_of(node.outputs[0]), shift_of(node.outputs[0]))
    }
