"""The state that training begins with: the model's own weights, what methods keep, and scales that the trainer measures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import BlockRecord
from tinyfoa_rt.ir.names import kept_by, scale_of, shift_of, statistics_of
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps.initial_weights import initial_weights
from tinyfoa_rt.steps.methods import method_of
from tinyfoa_rt.steps.training_nodes import running_statistics

__all__ = ["initial_tensors"]

Array = NDArray[Any]


def initial_tensors(task: PlanningTask, blocks: Iterable[BlockRecord]) -> dict[str, Array]:
    """Return the tensors by name: ``LAYER#weight``, ``LAYER#bias``, what methods keep (``BLOCK#head``), scales of 0, and
    shift and running statistics of batch normalizations.
    """
    tensors: dict[str, Array] = {}
    for context, record in zip(task.contexts, blocks):
        for layer in context.block.layers:
            tensors.update(initial_weights(task.graph, layer, is_binary=context.recipe_of(layer).binarize != "none"))
        kept = method_of(context.recipe.method).initial(context, task.parts.blocks[-1])
        tensors.update({kept_by(record.name, name): array for name, array in kept.items()})
        tensors.update({scale_of(value): np.zeros((), dtype=np.float32) for value in record.binary})
        for node in running_statistics(context.block):
            for name, value in zip((shift_of(node.outputs[0]), *statistics_of(node.outputs[0])), node.inputs[2:5]):
                tensors[name] = np.array(task.graph.constants[value].read(), dtype=np.float32)
    return tensors
