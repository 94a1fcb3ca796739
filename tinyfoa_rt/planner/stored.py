"""What of a planned model lies in the storage of generated C."""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.latents import FORMATS
from tinyfoa_rt.ir.names import kept_by, own, scale_of, shift_of, statistics_of
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.storage import StoredLayer, StoredModel
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.storage_layout import lay_out
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import BlockContext
from tinyfoa_rt.steps.methods import KeptTensor, method_of

__all__ = ["block_model", "followed_by", "header_of", "kept_by_block", "stored_layers", "stored_model", "stored_of"]


def stored_model(task: PlanningTask, candidates: Sequence[Candidate]) -> StoredModel:
    """Return what the trained blocks of ``task`` keep, each in the sizes of its candidate."""
    return StoredModel(
        optimizer=optimizer_of(task.recipe.optimizer),
        layers=tuple(layer for context, each in zip(task.contexts, candidates) for layer in _of_block(context, each)),
        scales=tuple(scale_of(part.output) for context in task.contexts for part in context.binary_parts),
        statistics={name: length for context in task.contexts for name, length in followed_by(context).items()},
    )


def block_model(task: PlanningTask, index: int, candidate: Candidate) -> StoredModel:
    """Return what trained block ``index`` alone keeps."""
    return StoredModel(optimizer_of(task.recipe.optimizer), _of_block(task.contexts[index], candidate))


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
            is_binary=context.recipe_of(layer).binarize != "none",
            has_bias=layer.bias is not None,
            latent=context.recipe_of(layer).latent,
        )
        for layer in context.block.layers
    )


def kept_by_block(context: BlockContext) -> dict[str, StoredLayer]:
    """Return what steps change of what a block keeps for its method, by its names in the step.

    Each is a matrix of one slice, which is in RAM while its block is trained and stored when turns end. What the optimizer keeps
    of one is part of its record.

    Raises:
        UnsupportedError: one is neither float32 nor of whole numbers of latent weights.
    """
    changed = {each.name: each for each in method_of(context.recipe.method).kept(context) if not each.is_constant}
    kinds = optimizer_of(context.recipe.optimizer).kept
    states = {name: {own(name, kind) for kind in kinds} for name in changed}
    moved = {name for name in changed if states[name] <= changed.keys()}
    parts = {state for name in moved for state in states[name]}
    return {name: _whole(context, each, has_states=name in moved) for name, each in changed.items() if name not in parts}


def _of_block(context: BlockContext, candidate: Candidate) -> tuple[StoredLayer, ...]:
    return (*stored_layers(context, candidate), *kept_by_block(context).values())


def _whole(context: BlockContext, kept: KeptTensor, *, has_states: bool) -> StoredLayer:
    latent = FORMATS.get(kept.type.dtype)
    if latent is None or (latent.is_integer and not has_states):
        problem = f"changes '{kept.name}', {kept.type.dtype}, and generated C stores float32"
        raise UnsupportedError(f"block '{context.block.name}'", problem, "plan for ort-cpu")
    rows = kept.type.shape[0] if len(kept.type.shape) > 1 else 1
    grid = SliceGrid((0, kept.type.size // rows), (0, rows))
    name = kept_by(context.block.name, kept.name)
    return StoredLayer(name, grid, taps=1, is_binary=False, has_bias=False, has_states=has_states, latent=latent.name)


def followed_by(context: BlockContext) -> dict[str, int]:
    """Return running mean, variance and trained shift of a block's batch normalizations, each with its length."""
    return {
        name: context.graph.values[node.inputs[3]].size
        for node in context.running
        for name in (*statistics_of(node.outputs[0]), shift_of(node.outputs[0]))
    }
