"""A trained model is planned and trained again: until then it computes what it did, whatever of it stays frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.run.trained_models import artifact_of, blobs
from tests.small_models import ModelBuilder, load_model
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load
from tinyfoa_rt.partition import partition
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

X, Y = blobs()
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(0, 1, (60, 2, 6, 6)).astype(np.float32)
LABELS = RNG.integers(0, 4, 60)


def scores(folder: Path, x: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = onnxruntime.InferenceSession(folder / "inference.onnx").run(None, {"input": x})[0]
    return found


def residual(folder: Path) -> Graph:
    """Convolutions, a depthwise one among them, normalizations with factors of any sign, a shortcut, pools, dense layers."""
    builder = ModelBuilder((2, 6, 6))

    def normalized(x: str) -> str:
        parameters = (builder.vector(*RNG.normal(0, 2, 6)), builder.weight(6), builder.weight(6))
        return builder.node("BatchNormalization", (x, *parameters, builder.vector(*RNG.uniform(0.1, 2, 6))))

    x = builder.node("Relu", (normalized(builder.conv("input", (2, 6), name="conv1")),))
    y = normalized(builder.conv(x, (6, 6), name="conv2", group=6))
    y = builder.node("Relu", (builder.node("Add", (x, builder.conv(y, (6, 6), name="conv3"))),))
    y = builder.node("Flatten", (builder.node("MaxPool", (y,), kernel_shape=[2, 2], strides=[2, 2]),))
    y = builder.node("Relu", (builder.dense(y, 54, 12, "fc1"),))
    return load_model(builder.model(builder.dense(y, 12, 4, "fc2")), folder)


def check_trains_again(run: Path, x: NDArray[Any], y: NDArray[Any], train: Any, **options: Any) -> None:
    expected = scores(run, x)
    graph = load(run / "inference.onnx")
    if train == "first":
        train = (partition(graph).blocks[0].name,)
    trainer = Trainer(build(graph, plan(graph, "4MB", batch=6, train=train, **options)), kernels=None)
    trainer.save(run / "again")
    # Of binary weights: those that are trained are drawn together in another order. Of real inputs 16 bits are multiplied.
    np.testing.assert_allclose(scores(run / "again", x), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(trainer.scores(x), expected, rtol=1e-4, atol=1e-4)
    before, weights = trainer.evaluate(x, y).loss, {name: layer.weight.copy() for name, layer in trainer.state.layers.items()}
    trainer.fit(x, y, normalization=None, epochs=8)
    assert all((layer.weight != weights[name]).any() for name, layer in trainer.state.layers.items())
    if train in ("all", "last:1") and y is Y:  # other layers were made for what a first block was; there is nothing in LABELS
        assert trainer.evaluate(x, y).loss < before


@pytest.mark.parametrize("train", ["all", "last:1", "last:2", "first"])
@pytest.mark.parametrize("options", [{}, {"binarize": "none"}, {"binarize": "weights"}, {"weight_scale": "tensor"}], ids=str)
def test_a_perceptron(train: str, options: dict[str, Any], tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path, **options), kernels=None).fit(X, Y, normalization=None, epochs=1)
    trainer.save(tmp_path / "run")
    check_trains_again(tmp_path / "run", X, Y, train, **options)


def test_frozen_levels_run_as_they_are(tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path, activation_bits=2), kernels=None).fit(X, Y, normalization=None, epochs=1)
    trainer.save(tmp_path / "run")
    check_trains_again(tmp_path / "run", X, Y, "last:1", activation_bits=2)


@pytest.mark.parametrize("train", ["last:1", "last:2", "all[bias]"])
def test_a_network_whose_biases_were_trained_alone(train: str, tmp_path: Path) -> None:
    """They are biases of their products again; frozen they run as they are."""
    graph = residual(tmp_path)
    trained = Trainer(build(graph, plan(graph, "4MB", batch=6, train="conv3[bias],fc1[bias]", binarize="none")), kernels=None)
    trained.fit(IMAGES, LABELS, normalization=None, epochs=2).save(tmp_path / "run")
    check_trains_again(tmp_path / "run", IMAGES, LABELS, train, binarize="none")


@pytest.mark.parametrize("options", [{}, {"binarize": "weights"}], ids=str)
def test_a_residual_network(options: dict[str, Any], tmp_path: Path) -> None:
    graph = residual(tmp_path)
    artifact = build(graph, plan(graph, "4MB", batch=6, **options))
    Trainer(artifact, kernels=None).fit(IMAGES, LABELS, normalization=None, epochs=1).save(tmp_path / "run")
    for train in ("all", "last:1", "last:2"):
        check_trains_again(tmp_path / "run", IMAGES, LABELS, train, **options)


def test_frozen_parts_give_the_same_bits(tmp_path: Path) -> None:
    Trainer(artifact_of(tmp_path), kernels=None).fit(X, Y, normalization=None, epochs=2).save(tmp_path / "run")
    graph = load(tmp_path / "run" / "inference.onnx")
    assert [block.name for block in partition(graph).blocks] == ["fc1_out", "fc2_out", "fc3_out"]
    trainer = Trainer(build(graph, plan(graph, "4MB", batch=6, train="last:1")), kernels=None)
    np.testing.assert_array_equal(trainer.scores(X), scores(tmp_path / "run", X))


def test_frozen_parts_in_c99_are_refused_by_the_plan(tmp_path: Path) -> None:
    Trainer(artifact_of(tmp_path), kernels=None).save(tmp_path / "run")
    with pytest.raises(UnsupportedError, match=r"\(SignDense\) is frozen.*train all blocks \(--train all\)"):
        plan(tmp_path / "run" / "inference.onnx", "4MB", target="c99", train="last:1")
    assert plan(tmp_path / "run" / "inference.onnx", "4MB", target="c99").feasible
