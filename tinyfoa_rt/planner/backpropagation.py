"""What backpropagation through the same layers needs: a step of one whole block, which ends in the model's own loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.task import PlanningTask, resolve_options

__all__ = ["backpropagation_peaks"]

_BINARIZE = {"bp_float": "none", "bp_binary": "both"}


def backpropagation_peaks(model: Graph, task: PlanningTask, batch: int) -> Mapping[str, int]:
    """Return the RAM in bytes, by the names of the comparison; without those that cannot be planned, as a layer has no gradient.

    Args:
        model: as it was loaded.
        task: what is planned.
        batch: samples a step.
    """
    peaks = {}
    # onnxruntime's kernels of packed bits are for blocks of one layer.
    profile = replace(task.profile, packs_bits=False) if task.profile.has_kernels else task.profile
    for way, binarize in _BINARIZE.items():
        options = replace(task.options, block_layers="all", slices_at="each", binarize=binarize, batch=batch)
        try:
            costs = BlockCosts(resolve_options(model, options, profile))
            whole = Candidate(Slices(1, 1), batch)
            peaks[way] = max(costs.peak(index, whole) for index in range(len(costs.task.contexts)))
        except (UnsupportedError, UsageError):
            continue
    return peaks
