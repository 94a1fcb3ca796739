"""Activations that are computed again: training is the same to the bit, in C99, on onnxruntime and with kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.c99.exported import Device, ExportedModel
from tests.emit.conv_models import conv_model
from tests.ort_ops.conftest import library
from tests.planner.cut_plans import cut
from tests.random_models import random_models
from tests.small_models import ModelBuilder, load_model, mlp, residual_net
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.planner.task import resolve_options
from tinyfoa_rt.run import Trainer

__all__ = ["library"]

Array = NDArray[Any]
STEPS = 40
AGAIN = b"#again"


def deep() -> onnx.ModelProto:
    return mlp((30, 24, 20, 18, 16, 4))


def straight() -> onnx.ModelProto:
    """Nothing lies between the layers: what one gives is read by the update of the next alone."""
    builder = ModelBuilder((2, 6, 6))
    x = "input"
    for number, channels in enumerate([(2, 5), (5, 6), (6, 4)]):
        x = builder.conv(x, channels, name=f"conv{number}")
        if number == 1:
            statistics = (
                builder.vector(*np.linspace(0.5, 1.5, 6)),
                builder.weight(6),
                builder.weight(6),
                builder.vector(*[1.0] * 6),
            )
            x = builder.node("BatchNormalization", (x, *statistics), "norm")
    return builder.model(builder.dense(builder.node("Flatten", (x,)), 4 * 36, 4, "fc"))


def decoder() -> onnx.ModelProto:
    """A dense layer in front of convolutions, with nothing between: their steps are of different kinds."""
    builder = ModelBuilder((8,))
    x = builder.node("Reshape", (builder.dense("input", 8, 72, "dense"), builder.ints(0, 2, 6, 6)))
    for number, channels in enumerate([(2, 5), (5, 4)]):
        x = builder.conv(x, channels, name=f"conv{number}")
    return builder.model(builder.dense(builder.node("Flatten", (x,)), 4 * 36, 4, "fc"))


def pooled() -> onnx.ModelProto:
    """Pools and a clip, which save small forms, in a chain of residual blocks."""
    builder = ModelBuilder((3, 8, 8))
    x = builder.node("Relu", (builder.conv("input", (3, 6), name="first"),))
    x = builder.node("MaxPool", (x,), kernel_shape=[2, 2], strides=[2, 2])
    for name in ("second", "third"):
        y = builder.node("Clip", (builder.conv(x, (6, 6), name=name), builder.scalar(0.0), builder.scalar(0.5)))
        x = builder.node("Relu", (builder.node("Add", (x, y)),))
    x = builder.node("Flatten", (builder.node("MaxPool", (x,), kernel_shape=[2, 2], strides=[2, 2]),))
    return builder.model(builder.dense(x, 6 * 4, 4, "fc"))


CASES: dict[str, tuple[Callable[[], onnx.ModelProto], tuple[int, ...], dict[str, Any]]] = {
    "dense": (deep, (2, 4), {}),
    "dense-one-cut": (deep, (3,), {"slices": "2x2", "optimizer": "adam"}),
    "dense-weights": (deep, (2, 4), {"slices": "2x2", "binarize": "weights", "optimizer": "sgd"}),
    "conv": (conv_model, (2, 4), {"slices": "2x2"}),
    "conv-middle": (conv_model, (1, 4), {"optimizer": "momentum", "binarize": "weights"}),
    "straight": (straight, (1, 3), {}),
    "decoder": (decoder, (2,), {"optimizer": "sgd"}),
    "decoder-adam": (decoder, (2,), {"optimizer": "adam", "slices": "2x2"}),
    "decoder-normalized": (decoder, (2,), {}),
    "pooled": (pooled, (2, 3), {"slices": "1x2"}),
    "pooled-scaled": (pooled, (2,), {"binarize": "both", "block_output": "scaled"}),
    "residual": (residual_net, (1, 2), {}),
    "tail": (deep, (2,), {"train": "last:4"}),
    "frozen-between": (conv_model, (2, 4), {"train": "plain,residual,fc"}),
}


def both(graph: Graph, segments: tuple[int, ...], **options: Any) -> tuple[Artifact, Artifact]:
    """The artifact that keeps all, and the one that is cut, which computes something again."""
    kept = plan(graph, "4MB", **{"block_layers": "all", "binarize": "none", "batch": 2, **options})
    artifacts = build(graph, kept), build(graph, cut(graph, kept, segments))
    assert [any(AGAIN in model for model in each.models.values()) for each in artifacts] == [False, True]
    return artifacts


def samples_of(graph: Graph, batch: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (STEPS, batch, *graph.shape("input")[1:])).astype(np.float32)
    return x, rng.integers(0, graph.shape(graph.outputs[0])[-1], (STEPS, batch))


def run_here(artifact: Artifact, x: Array, y: Array, kernels: Path | None = None) -> dict[str, Array]:
    """Everything that training leaves behind, and its losses."""
    trainer = Trainer(artifact, threads=1, kernels=kernels)
    losses = [report.loss for report in trainer.iterate(x.reshape(-1, *x.shape[2:]), y.reshape(-1), normalization=None, epochs=1)]
    return {"losses": np.array(losses), **{name: array.copy() for name, array in trainer.state.arrays().items()}}


def check_here(artifacts: tuple[Artifact, Artifact], x: Array, y: Array, kernels: Path | None = None) -> None:
    kept, again = (run_here(each, x, y, kernels) for each in artifacts)
    for name, array in kept.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)
    initial = artifacts[0].initial
    assert all(np.any(kept[name] != initial[name]) for name in initial if name.endswith("#weight"))


@pytest.mark.parametrize("case", CASES)
def test_onnxruntime_trains_to_the_same_bits(case: str, tmp_path: Path) -> None:
    make, segments, options = CASES[case]
    graph = load_model(make(), tmp_path)
    check_here(both(graph, segments, **options), *samples_of(graph, 2))


@pytest.mark.parametrize("case", ["dense", "dense-weights"])
def test_kernels_train_to_the_same_bits(case: str, library: Path, tmp_path: Path) -> None:
    make, segments, options = CASES[case]
    graph = load_model(make(), tmp_path)
    check_here(both(graph, segments, target="ort-kernels", **options), *samples_of(graph, 2), library)


@pytest.mark.parametrize("case", CASES)
def test_generated_c_trains_to_the_same_bits(case: str, tmp_path: Path) -> None:
    """The storage holds all that training leaves behind; of the arena all that was planned is used, and no word behind it."""
    make, segments, options = CASES[case]
    graph = load_model(make(), tmp_path)
    x, y = samples_of(graph, 2)
    found = []
    for number, artifact in enumerate(both(graph, segments, target="c99", **options)):
        (tmp_path / str(number)).mkdir()
        model = ExportedModel.build(c_source(artifact, artifact.initial), tmp_path / str(number))
        device = Device(model).start(rotate_every=3)
        losses = [device.step(batch, target, 0.02)[0] for batch, target in zip(x, y)]
        painted = Device(model).arena
        assert np.flatnonzero(device.arena != painted)[-1] == model.source.blocks[0].peak_nbytes // 4 - 1
        device.save()
        assert len(set(losses)) > STEPS / 2
        found.append((losses, device.words))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(model=random_models(), data=st.data())
def test_any_model_trains_to_the_same_bits(tmp_path: Path, model: onnx.ModelProto, data: st.DataObject) -> None:
    graph = load_model(model, tmp_path)
    binarize = data.draw(st.sampled_from(["none", "weights", "both"]))
    kept = plan(graph, "4MB", block_layers="all", binarize=binarize, batch=2, loss="cross-entropy")
    parts = len(resolve_options(graph, kept.options).contexts[0].block.parts)
    segments = tuple(sorted(data.draw(st.sets(st.integers(1, parts - 1))))) if parts > 1 else ()
    x, y = samples_of(graph, 2)
    check_here((build(graph, kept), build(graph, cut(graph, kept, segments))), x[:6], y[:6])
