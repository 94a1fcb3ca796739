"""Heads that learn: steps in place, training, resuming, and what is planned of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.emit.local_models import local_net
from tests.run.trained_models import arrays_of, assert_equal_weights, blobs
from tests.small_models import ModelBuilder, conv_net, load_model, mlp, residual_net
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.emit.inlining import inline_functions
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime


def without_biases() -> onnx.ModelProto:
    """8-16-12-4: without a bias no other update stands between the head's step and the end."""
    builder, x = ModelBuilder((8,)), "input"
    for n_in, n_out in ((8, 16), (16, 12)):
        x = builder.node("Relu", (builder.node("MatMul", (x, builder.weight(n_in, n_out))),))
    return builder.model(builder.node("MatMul", (x, builder.weight(12, 4))))


MODELS = {"dense": mlp, "without biases": without_biases, "conv": conv_net, "residual": residual_net, "local": local_net}


def artifact_of(model: onnx.ModelProto, folder: Path, **options: Any) -> Artifact:
    graph = load_model(model, folder)
    return build(graph, plan(graph, "4MB", **{"head": "learned", "batch": 5, **options}))


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("momentum", marks=pytest.mark.slow), "adam", "normalized"])
@pytest.mark.parametrize("binarize", ["none", pytest.param("weights", marks=pytest.mark.slow), "both"])
@pytest.mark.parametrize("model", MODELS)
def test_onnxruntime_moves_a_head_after_all_have_read_it(tmp_path: Path, model: str, binarize: str, optimizer: str) -> None:
    """Its next values go where it lies, so a step that came earlier would be read by the error of the block."""
    artifact = artifact_of(MODELS[model](), tmp_path, binarize=binarize, optimizer=optimizer, slices="2x2")
    learning = [block for block in artifact.blocks if block.kept]
    assert len(learning) == 2
    for block in learning:
        order = inline_functions(onnx.load_from_string(artifact.model(block.step, is_packed=False))).nodes
        (moved,) = (place for place, node in enumerate(order) if "#head#next" in node.outputs)
        readers = [place for place, node in enumerate(order) if "#head" in node.inputs]
        assert len(readers) >= 3  # the logits, the error, and its own step
        assert max(readers) <= moved


@pytest.mark.parametrize("pool", ["none", "average", "grid"])
@pytest.mark.parametrize("model", MODELS)
def test_steps_in_place_are_those_on_copies(tmp_path: Path, model: str, pool: str) -> None:
    artifact = artifact_of(MODELS[model](), tmp_path, optimizer="adam", head_pool=pool, slices="1x2")
    state = ModelState(artifact.manifest, artifact.initial)
    training = BlockTraining(artifact, 0, state, Runtime(threads=1))
    rng = np.random.default_rng(1)
    for array in training.inputs.values():
        array[...] = rng.normal(size=array.shape)
    training.labels[...] = rng.integers(0, 3, training.labels.shape)
    training.begin_turn(0)
    session = training._session
    for _ in range(3):
        training.rate[...] = 0.5
        feeds = {name: session._bound[name].copy() for name in session.inputs}
        expected = session.call(feeds, [*session.outputs])
        training.step(0.5)
        for name, array in expected.items():
            np.testing.assert_array_equal(session._bound[name], array, err_msg=name)
        assert not np.array_equal(expected["#head#next"], feeds["#head"])


@pytest.mark.parametrize("order", ["layerwise", "interleaved"])
@pytest.mark.parametrize("schedule", ["slice", "full"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
def test_a_training_that_is_resumed_has_the_same_bits(tmp_path: Path, order: str, schedule: str, optimizer: str) -> None:
    slices = "2x2" if schedule == "slice" else "auto"
    options = {"order": order, "schedule": schedule, "slices": slices, "optimizer": optimizer, "batch": 6}
    artifact = artifact_of(mlp((12, 16, 16, 4)), tmp_path, **options)
    x, y = blobs(60)
    whole = Trainer(artifact, threads=1)
    whole.fit(x, y, normalization=None, epochs=2)
    stopped = Trainer(artifact, threads=1)
    for report in stopped.iterate(x, y, normalization=None, epochs=2):
        if report.total_steps == 13:
            break
    stopped.save(tmp_path / "run")
    resumed = Trainer.load(tmp_path / "run", threads=1)
    resumed.fit(x, y, normalization=None, epochs=2)
    assert_equal_weights(arrays_of(resumed), arrays_of(whole))
    assert not np.array_equal(whole.state.arrays()["fc1#head"], artifact.initial["fc1#head"])


@pytest.mark.parametrize("binarize", ["none", pytest.param("weights", marks=pytest.mark.slow), "both"])
@pytest.mark.parametrize(
    ("model", "shape"), [(mlp, (8,)), pytest.param(conv_net, (3, 8, 8), marks=pytest.mark.slow)], ids=["dense", "conv"]
)
@pytest.mark.parametrize("loss", ["cross-entropy", "binary-cross-entropy", "mean-squared-error"])
def test_a_head_that_learns_reaches_a_lower_loss(
    tmp_path: Path, model: Any, shape: tuple[int, ...], binarize: str, loss: str
) -> None:
    """The first block of both begins alike, and sees the same batches of labels that a random teacher gives."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(100, *shape)).astype(np.float32)
    last = {}
    for head in ("kaiming", "learned"):
        artifact = artifact_of(model(), tmp_path, head=head, binarize=binarize, loss=loss, seed=2)
        outputs = artifact.manifest.num_outputs
        labels = (x.reshape(100, -1) @ np.random.default_rng(4).normal(size=(x[0].size, outputs))).argmax(axis=1)
        y: Any = labels if loss == "cross-entropy" else np.eye(outputs, dtype=np.float32)[labels]
        trainer = Trainer(artifact, threads=1)
        losses = [
            report.loss
            for report in trainer.iterate(x, y, normalization=None, epochs=40)
            if report.block == artifact.blocks[0].name
        ]
        last[head] = float(np.mean(losses[-20:]))
    assert last["learned"] < 0.95 * last["kaiming"]


def test_its_memory_is_planned(tmp_path: Path) -> None:
    """8-16-12-4, Adam: the head, two moments, a step count and a gradient of 4 x 16 numbers."""
    graph = load_model(mlp(), tmp_path)
    options: dict[str, Any] = {"head": "learned", "optimizer": "adam", "batch": 5}
    for where in ({}, {"nonvolatile": "none"}):
        (block, *_) = plan(graph, "1MB", **where, **options).blocks
        found = {buffer.name: buffer for buffer in block.buffers}
        names = ("#head", "#head#mean", "#head#variance", "#head#grad")
        assert [(found[name].bytes, found[name].place) for name in names] == [(4 * 4 * 16, "ram")] * 4
        assert found["#head#step_count"].bytes == 4
        assert all(found[name].last_step == len(block.steps) - 1 for name in names[:3])


def test_other_blocks_keep_theirs(tmp_path: Path) -> None:
    """Where nothing lies in nonvolatile memory, the heads of the others and their moments are among what is always in RAM."""
    graph = load_model(mlp(), tmp_path)
    resident = {}
    for head in ("kaiming", "learned"):
        block = plan(graph, "1MB", nonvolatile="none", head=head, optimizer="adam", batch=5).blocks[0]
        resident[head] = {buffer.name: buffer.bytes for buffer in block.buffers}["parameters of the other blocks"]
    assert resident["learned"] - resident["kaiming"] == 2 * 4 * 4 * 12 + 4


def test_c99_keeps_it_in_ram_and_no_gradient(tmp_path: Path) -> None:
    """8-16-12-4, Adam: the head and two moments of 4 x 16 numbers, and a step count. The loss, 4 bytes, has no place where the
    block's output was, which the head's step still reads."""
    graph, peaks = load_model(mlp(), tmp_path), {}
    for head in ("kaiming", "learned"):
        block = plan(graph, "1MB", head=head, optimizer="adam", target="c99", batch=5).blocks[0]
        peaks[head] = block.peak_bytes
        assert "#head#grad" not in {buffer.name for buffer in block.buffers}
    assert peaks["learned"] - peaks["kaiming"] == 3 * 4 * 4 * 16 + 4 + 4
