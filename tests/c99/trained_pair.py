"""One model under onnxruntime and under C99: the same weights, the same batches, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.exported import Device, ExportedModel
from tests.small_models import load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime

__all__ = ["Pair", "export_small", "exported", "pair_of", "pair_of_graph"]

Array = NDArray[Any]
SIZES = (70, 45, 40, 4)


def exported(graph: Graph, folder: Path, budget: str = "1MB", **options: Any) -> tuple[Artifact, ModelState, ExportedModel]:
    """An artifact for onnxruntime and a library, both of one plan for C99, with scales that are not zero."""
    planned = plan(graph, budget, target="c99", **options)
    artifact = build(graph, planned)
    state = ModelState(artifact.manifest, artifact.initial)
    for block in artifact.blocks:
        for value in block.binary:
            state.others[scale_of(value)][...] = 0.5
    return artifact, state, ExportedModel.build(c_source(artifact, state.arrays()), folder)


def export_small(folder: Path, sizes: tuple[int, ...] = SIZES, **options: Any) -> ExportedModel:
    return exported(load_model(mlp(sizes), folder), folder, **{"batch": 2, "slices": "2x2", **options})[2]


@dataclass
class Pair:
    """Both, in block 0."""

    artifact: Artifact
    state: ModelState
    device: Device
    rotate_every: int

    def train_block(self, index: int, x: Array, y: Array, rates: tuple[float, float]) -> Array:
        """Losses (steps, 2) of onnxruntime and C99, after both have taken a step on each batch of x (steps, batch, ...)."""
        forward = ForwardPass(self.artifact, self.state, Runtime(threads=1))
        inputs = [forward.to_block(index, batch) for batch in x]
        training = BlockTraining(self.artifact, index, self.state, Runtime(threads=1))
        losses = []
        for step, (values, batch, target) in enumerate(zip(inputs, x, y)):
            for name, array in training.inputs.items():
                array[...] = values[name].reshape(array.shape)
            training.labels[...] = target
            training.begin_turn(training.turn_of(step, self.rotate_every))
            here = training.step(rates[0], self.device.progress().total_steps).loss
            losses.append((here, self.device.step(batch, target, rates[1])[0]))
        training.end_turn()
        self.device.save()
        return np.array(losses)

    def scores(self, x: Array) -> tuple[Array, Array]:
        return ForwardPass(self.artifact, self.state, Runtime(threads=1)).scores(x), self.device.predict(x)


def pair_of(folder: Path, rotate_every: int = 3, sizes: tuple[int, ...] = SIZES, **options: Any) -> Pair:
    return pair_of_graph(load_model(mlp(sizes), folder), folder, rotate_every, **options)


def pair_of_graph(graph: Graph, folder: Path, rotate_every: int = 3, **options: Any) -> Pair:
    artifact, state, model = exported(graph, folder, **options)
    return Pair(artifact, state, Device(model).start(rotate_every), rotate_every)
