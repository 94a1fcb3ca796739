"""The state that training begins with: the model's own weights, the heads, and scales that the trainer measures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import BlockRecord
from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Constant, Graph
from tinyfoa_rt.ir.names import own, shift_of, statistics_of
from tinyfoa_rt.operators.head_hash import rademacher_head
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import BlockSetting
from tinyfoa_rt.steps.trained_part import running_statistics

__all__ = ["initial_tensors"]

Array = NDArray[Any]


def initial_tensors(task: PlanningTask, blocks: Iterable[BlockRecord]) -> dict[str, Array]:
    """Return the tensors by name: ``LAYER#weight``, ``LAYER#bias``, ``BLOCK#head``, scales of 0, and shift and running
    statistics of batch normalizations.

    Weights are inputs x outputs; of a convolution, taps x inputs of a group x outputs; of a locally connected layer, positions x
    taps x inputs x outputs, and its biases outputs x positions.
    """
    tensors: dict[str, Array] = {}
    for setting, record in zip(task.settings, blocks):
        for layer in setting.block.layers:
            tensors.update(_layer_tensors(task.graph, layer, is_binary=setting.recipe.binarize != "none"))
        if record.head:
            tensors[own(record.name, "head")] = _head(setting, task.parts.blocks[-1].layers[0])
        if record.scale:
            tensors[record.scale] = np.zeros((), dtype=np.float32)
        for node in running_statistics(setting.block):
            for name, value in zip((shift_of(node.outputs[0]), *statistics_of(node.outputs[0])), node.inputs[2:5]):
                tensors[name] = np.array(task.graph.constants[value].read(), dtype=np.float32)
    return tensors


def _layer_tensors(graph: Graph, layer: Layer, *, is_binary: bool) -> dict[str, Array]:
    weight = _scaled(graph.constants[layer.weight], layer.weight_factor)
    node = layer.nodes[0]
    if node.op_type == "Gemm" and node.int("transB", 0):
        weight = weight.T
    if layer.kind == "conv":
        weight = weight.reshape(layer.out_features, layer.in_features, layer.taps).transpose(2, 1, 0)
    if layer.kind == "local":  # the model has a row's inputs channel by channel, and tap by tap within a channel
        split = (layer.positions, layer.in_features, layer.taps, layer.out_features)
        weight = weight.reshape(split).transpose(0, 2, 1, 3)
    if is_binary:
        weight = weight.clip(-1, 1)  # what an update keeps latent weights in
    tensors = {own(layer.name, "weight"): np.array(weight, order="C")}
    if layer.bias is not None:
        bias = _scaled(graph.constants[layer.bias], layer.bias_factor)
        flat = np.broadcast_to(bias.reshape(-1), (layer.bias_size,))
        shape = (layer.out_features, layer.positions) if layer.kind == "local" else (layer.out_features,)
        tensors[own(layer.name, "bias")] = np.array(flat.reshape(shape))
    return tensors


def _scaled(stored: Constant, factor: float) -> Array:
    array = np.asarray(stored.read(), dtype=np.float32)
    return array if factor == 1.0 else array * np.float32(factor)


def _head(setting: BlockSetting, classifier: Layer) -> Array:
    """The stored head: hashed signs, the classifier's weights, or Kaiming's uniform distribution as in the authors' code."""
    recipe, units = setting.recipe, setting.head_units
    if recipe.head == "classifier":
        weight = _layer_tensors(setting.graph, classifier, is_binary=False)[own(classifier.name, "weight")]
        return np.array(weight.T / np.float32(setting.head_gain), order="C")
    if recipe.head == "rademacher":
        return rademacher_head(recipe.seed, recipe.num_outputs, units)
    bits = np.random.PCG64(recipe.seed).random_raw(recipe.num_outputs * units)
    unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
    # Uniform on +-sqrt(3) has the variance 1 of the hashed head; the gain of the operators does the rest.
    return (unit * np.float32(math.sqrt(3.0))).reshape(recipe.num_outputs, units)
