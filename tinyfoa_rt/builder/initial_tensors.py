"""The state that training begins with: the model's own weights, what methods keep, and scales that the trainer measures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import BlockRecord
from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.latents import latent_of, quantized, quantum_of_reals, quantum_of_signs
from tinyfoa_rt.ir.names import kept_by, own, quantum_of, scale_of, shift_of, statistics_of
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import BlockContext
from tinyfoa_rt.steps.initial_weights import initial_weights
from tinyfoa_rt.steps.methods import method_of

__all__ = ["initial_tensors"]

Array = NDArray[Any]


def initial_tensors(task: PlanningTask, blocks: Iterable[BlockRecord]) -> dict[str, Array]:
    """Return the tensors by name: ``LAYER#weight``, with its quantum if it is of whole numbers, ``LAYER#bias``, what methods keep
    (``BLOCK#head``), scales of 0, and shift and running statistics of batch normalizations.
    """
    tensors: dict[str, Array] = {}
    for context, record in zip(task.contexts, blocks):
        for layer in context.block.layers:
            tensors.update(_layer_tensors(task, context, layer))
        kept = method_of(context.recipe.method).initial(context, task.parts.blocks[-1])
        tensors.update({kept_by(record.name, name): array for name, array in kept.items()})
        tensors.update({scale_of(value): np.zeros((), dtype=np.float32) for value in record.binary})
        for node in context.running:
            for name, value in zip((shift_of(node.outputs[0]), *statistics_of(node.outputs[0])), node.inputs[2:5]):
                tensors[name] = np.array(task.graph.constants[value].read(), dtype=np.float32)
    return tensors


def _layer_tensors(task: PlanningTask, context: BlockContext, layer: Layer) -> dict[str, Array]:
    """What a layer begins with, in the format of its latent weights."""
    recipe = context.recipe_of(layer)
    is_binary, latent = recipe.binarize != "none", latent_of(recipe.latent)
    tensors = initial_weights(task.graph, layer, is_binary=is_binary)
    if latent.is_integer:
        name = own(layer.name, "weight")
        if is_binary:
            quantum = quantum_of_signs(latent, layer.row_size)
        else:  # what is behind a frozen part has been trained with it
            is_trained = len(task.contexts) < len(task.parts.blocks)
            largest = float(np.abs(tensors[name]).max()) if is_trained else 0.0
            is_kernel = layer.kind == "conv"
            quantum = quantum_of_reals(latent, context.deviations[layer.name], is_kernel=is_kernel, largest=largest)
        tensors[name] = quantized(latent, tensors[name], quantum)
        tensors[quantum_of(name)] = np.array(quantum, dtype=np.float32)
    return tensors
