"""What of a planned model lies in the storage of generated C."""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.ir.names import scale_of, shift_of, statistics_of
from tinyfoa_rt.ir.storage import StoredLayer, StoredModel
from tinyfoa_rt.ops.updates import OPTIMIZER_STATES
from tinyfoa_rt.partition import bounds
from tinyfoa_rt.pipeline.job import PlanJob
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.steps import BlockSetting
from tinyfoa_rt.steps.trained_part import running_statistics

__all__ = ["followed_by", "stored_layers", "stored_model"]


def stored_model(job: PlanJob, candidates: Sequence[Candidate]) -> StoredModel:
    """Return what the trained blocks of ``job`` keep, each in the sizes of its candidate."""
    return StoredModel(
        layers=tuple(layer for setting, each in zip(job.settings, candidates) for layer in stored_layers(setting, each)),
        scales=tuple(scale_of(setting.block.output) for setting in job.settings if setting.is_binary),
        statistics={name: length for setting in job.settings for name, length in followed_by(setting).items()},
        num_states=len(OPTIMIZER_STATES[job.recipe.optimizer]),
        counts_steps=job.recipe.optimizer == "adam",
    )


def stored_layers(setting: BlockSetting, candidate: Candidate) -> tuple[StoredLayer, ...]:
    """Return the layers of one block."""
    return tuple(
        StoredLayer(
            layer.name,
            *bounds(layer, candidate.slices),
            taps=layer.taps,
            is_binary=setting.recipe.binarize != "none",
            has_bias=layer.bias is not None,
        )
        for layer in setting.block.layers
    )


def followed_by(setting: BlockSetting) -> dict[str, int]:
    """Return running mean, variance and trained shift of a block's batch normalizations, each with its length."""
    return {
        name: setting.graph.values[node.inputs[3]].size
        for node in running_statistics(setting.block)
        for name in (*statistics_of(node.outputs[0]), shift_of(node.outputs[0]))
    }
