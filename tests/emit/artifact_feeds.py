"""Artifacts of three kinds of networks, and what their models read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tests.emit.conv_models import conv_model
from tests.emit.local_models import local_net
from tests.small_models import load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.model_state import ModelState

Array = NDArray[Any]


def artifact_of(folder: Path, kind: str, options: Mapping[str, str]) -> Artifact:
    models = {"dense": lambda: mlp((12, 9, 8, 4)), "wide": lambda: mlp((12, 400, 400, 4)), "local": local_net, "conv": conv_model}
    graph = load_model(models[kind](), folder)
    planning: dict[str, Any] = {"batch": 6, **options}
    return build(graph, plan(graph, "8MB", **planning))


def targets(rng: np.random.Generator, artifact: Artifact, count: int) -> Array:
    if artifact.manifest.loss.labels == "class":
        return rng.integers(0, 4, count)
    return rng.normal(size=(count, 4)).astype(np.float32)


def step_tensors(rng: np.random.Generator, artifact: Artifact, state: ModelState) -> dict[str, dict[str, Array]]:
    """What the step of each block reads, with its last slice active."""
    found = {}
    for block in artifact.blocks:
        tensors = {name: array for name, array in state.others.items() if not name.endswith("#head")}
        tensors |= {"#rate": np.array(0.1, dtype=np.float32), "#target": targets(rng, artifact, 6)}
        tensors |= {name: state.others[f"{block.name}{name}"] for name in block.kept}
        for layer in block.layers:
            tensors.update(state.layers[layer.name].begin_turn(state.layers[layer.name].grid.count - 1))
        for name, array in tensors.items():  # at rest, Adam would take the direction of what is rounding alone
            if name.endswith(("#mean", "#velocity")):
                tensors[name] = rng.normal(size=array.shape).astype(np.float32)
            elif name.endswith("#variance"):
                tensors[name] = rng.uniform(0.5, 1, array.shape).astype(np.float32)
        found[block.step] = tensors
    return found


def drawn(rng: np.random.Generator, info: onnx.ValueInfoProto) -> Array:
    """Bits or real numbers; three samples where the batch is open."""
    shape = [dim.dim_value or 3 for dim in info.type.tensor_type.shape.dim]
    if info.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
        return rng.integers(0, 2, shape).astype(np.uint8)
    assert info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT, info.name
    return rng.normal(size=shape).astype(np.float32)
