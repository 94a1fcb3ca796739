"""200 steps in Python and in C++ on the same batches: the same losses and signs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ort.driver import Driver
from tests.ort.trajectories import LOSS_TOLERANCE, assert_same, commands, in_python, wide_layers
from tests.run import picture_models
from tests.run.trained_models import artifact_of, blobs
from tests.small_models import ModelBuilder, conv_net, load_model
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

X, Y = blobs(600)


def slowly(options: dict[str, Any]) -> Any:
    return pytest.param(options, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "momentum"},
        {"optimizer": "adam"},
        {"optimizer": "normalized"},
        {"optimizer": "normalized", "slices": "3x2", "binarize": "none"},
        {"schedule": "full"},
        {"schedule": "full", "optimizer": "adam"},
        {"schedule": "full", "optimizer": "normalized"},
        {"slices": "3x2"},
        {"binarize": "weights"},
        {"binarize": "none"},
        {"block_output": "scaled"},
        {"activation_bits": 2},
        {"first_layer": "real"},
        {"head": "kaiming"},
        {"head": "learned"},
        {"head": "learned", "optimizer": "momentum", "binarize": "none"},
        {"head": "learned", "optimizer": "adam"},
        {"head": "learned", "optimizer": "normalized"},
        {"class_weights": "0.25,1,2.5,4"},
        {"block_layers": "2", "optimizer": "sgd"},
        {"block_layers": "all"},
        {"block_layers": "all", "binarize": "none"},
        {"block_layers": "all", "block_output": "scaled", "slices": "1x1"},
        {"block_layers": "2", "optimizer": "adam", "slices": "3x2"},
        {"block_layers": "all", "binarize": "none", "optimizer": "adam", "slices": "1x1", "sizes": (12, 400, 400, 4)},
        {"block_layers": "all", "train": "fc1[:1/4],fc3", "slices": "1x1"},
        slowly({"block_layers": "all", "train": "fc1[:2/3],fc2,fc3[:3/8]", "slices": "2x2", "optimizer": "adam"}),
        {"block_layers": "all", "slices": "2x2", "slices_at": "one", "optimizer": "adam"},
        slowly({"block_layers": "2", "slices": "1x1", "slices_at": "one", "binarize": "none", "head": "learned"}),
        slowly({"train": "fc1[bias],fc2,fc3[bias]", "optimizer": "adam"}),
        {"block_layers": "all", "train": "all[bias],fc3", "optimizer": "normalized"},
        {"train": "fc2[:2/3],fc3", "slices": "1x1", "optimizer": "momentum"},
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "plain",
)
def test_the_trajectories_agree(options: dict[str, Any], driver: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, budget="8MB", **options)
    artifact.save(tmp_path / "artifact")
    python, expected = in_python(artifact, X, Y, 201)
    words = [*commands(len(artifact.blocks), 201), f"save:{tmp_path / 'saved'}"]
    losses = driver.steps(tmp_path / "artifact", X, Y, *words)
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


def test_locally_connected_layers(driver: Driver, tmp_path: Path) -> None:
    artifact = picture_models.local_artifact(tmp_path)
    artifact.save(tmp_path / "artifact")
    python, expected = in_python(artifact, picture_models.X, picture_models.Y, 90)
    losses = driver.steps(
        tmp_path / "artifact", picture_models.X, picture_models.Y, *commands(3, 90), f"save:{tmp_path / 'saved'}"
    )
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


def test_convolutions(driver: Driver, tmp_path: Path) -> None:
    builder = ModelBuilder((2, 6, 5))
    x = builder.node("Relu", (builder.conv("input", (2, 6), name="conv"),))
    x = builder.node("Relu", (builder.conv(x, (6, 6), name="depthwise", group=6),))
    graph = load_model(builder.model(builder.dense(builder.node("Flatten", (x,)), 180, 4, "fc")), tmp_path)
    artifact = build(graph, plan(graph, "1MB", batch=6, slices="2x2"))
    artifact.save(tmp_path / "artifact")
    python, expected = in_python(artifact, picture_models.X, picture_models.Y, 90)
    losses = driver.steps(
        tmp_path / "artifact", picture_models.X, picture_models.Y, *commands(3, 90), f"save:{tmp_path / 'saved'}"
    )
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


@pytest.mark.slow
def test_means_in_front_of_the_model(driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "conv.onnx").write_bytes(conv_net().SerializeToString())
    graph = load(tmp_path / "conv.onnx", pool_input=2)
    artifact = build(graph, plan(graph, "1MB", batch=6, binarize="none"))
    artifact.save(tmp_path / "artifact")
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (120, 3, 8, 8)).astype(np.float32), rng.integers(0, 5, 120)
    python, expected = in_python(artifact, x, y, 60)
    *losses, scores = driver.run(tmp_path / "artifact", x, y, *commands(3, 60), "scores")
    np.testing.assert_allclose([line["loss"] for line in losses], expected, rtol=LOSS_TOLERANCE)
    np.testing.assert_allclose(np.reshape(scores, (120, 5)), python.scores(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", ["mean-squared-error", "binary-cross-entropy"])
def test_targets_that_are_numbers(driver: Driver, tmp_path: Path, loss: str) -> None:
    artifact = artifact_of(tmp_path, loss=loss)
    artifact.save(tmp_path / "artifact")
    y = X[:, :4] / 4 if loss == "mean-squared-error" else (X[:, :4] > 0).astype(np.float32)
    python, expected = in_python(artifact, X, y, 90)
    words = [*commands(3, 90), f"save:{tmp_path / 'saved'}", "evaluate"]
    losses = driver.steps(tmp_path / "artifact", X, y, *words)
    np.testing.assert_allclose(losses, [*expected, python.evaluate(X, y).loss], rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


def test_a_value_that_skips_a_block(driver: Driver, tmp_path: Path) -> None:
    builder = ModelBuilder((12,))
    first = builder.node("Relu", (builder.dense("input", 12, 16, "fc1"),))
    second = builder.node("Add", (builder.dense(first, 16, 16, "fc2"), first))
    graph = load_model(builder.model(builder.dense(builder.node("Relu", (second,)), 16, 4, "fc3")), tmp_path)
    artifact = build(graph, plan(graph, "1MB", batch=6, slices="2x2"))
    artifact.save(tmp_path / "artifact")
    _, expected = in_python(artifact, X, Y, 90)
    np.testing.assert_allclose(driver.steps(tmp_path / "artifact", X, Y, *commands(3, 90)), expected, rtol=LOSS_TOLERANCE)


def test_wide_layers_differ_in_no_more_than_one_sign_in_ten_thousand(driver: Driver, tmp_path: Path) -> None:
    artifact, x, y = wide_layers(tmp_path)
    python, expected = in_python(artifact, x, y, 201)
    losses = driver.steps(tmp_path / "artifact", x, y, *commands(3, 201), f"save:{tmp_path / 'saved'}")
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


def test_a_rate_that_is_one_per_cent_off_would_be_seen(driver: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "artifact")
    _, expected = in_python(artifact, X, Y, 201)
    losses = driver.steps(tmp_path / "artifact", X, Y, "settings:10:1.01:0", *commands(3, 201))
    assert np.abs(np.array(losses) / expected - 1).max() > 10 * LOSS_TOLERANCE


def test_turns_of_several_steps(driver: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "artifact")
    trainer = Trainer(artifact)
    trainer.progress.settings = type(trainer.progress.settings)(rotate_every=3)
    expected = [trainer.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 300, 6)]
    losses = driver.steps(tmp_path / "artifact", X, Y, "settings:10:1:3", "steps:0:50")
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)


def test_storage_in_mapped_files_changes_nothing(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, optimizer="momentum").save(tmp_path / "artifact")
    in_ram = driver.steps(tmp_path / "artifact", X, Y, "--threads", "1", "steps:0:50")
    mapped = driver.steps(tmp_path / "artifact", X, Y, "--threads", "1", "--storage", str(tmp_path), "steps:0:50")
    assert in_ram == mapped
    (failure,) = driver.run(tmp_path / "artifact", X, Y, "--storage", str(tmp_path / "nowhere"))
    assert "cannot hold a file" in failure["message"]


def _binary(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which bits the number of a class has, (samples, 2)."""
    return np.column_stack((y & 1, y >> 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [("cross-entropy", Y), ("binary-cross-entropy", _binary(Y)), ("binary-cross-entropy", _binary(Y)[:, :1])],
    ids=["classes", "binary", "binary-of-one-output"],
)
def test_predictions_and_measures_agree(loss: str, targets: Any, driver: Driver, tmp_path: Path) -> None:
    num_outputs = 4 if targets.ndim == 1 else targets.shape[1]
    trainer = Trainer(artifact_of(tmp_path, loss=loss, sizes=(12, 16, 16, num_outputs))).fit(
        X, targets, normalization=None, epochs=3
    )
    trainer.save(tmp_path / "saved")
    scores, labels, measures = driver.run(tmp_path / "saved", X, targets, "--resume", "scores", "predict", "evaluate")
    np.testing.assert_allclose(np.reshape(scores, (-1, num_outputs)), trainer.scores(X), rtol=1e-4, atol=1e-5)
    predicted = trainer.predict(X)
    assert np.array_equal(labels, predicted.ravel())
    assert len(np.unique(predicted)) == (4 if targets.ndim == 1 else 2)  # whatever always gives one label would be seen
    expected = trainer.evaluate(X, targets)
    assert expected.accuracy == pytest.approx(measures["accuracy"])
    assert expected.balanced_accuracy == pytest.approx(measures["balanced"])
    assert expected.loss == pytest.approx(measures["loss"], rel=1e-5)


def test_a_regression_predicts_its_scores(driver: Driver, tmp_path: Path) -> None:
    targets = X[:, :2] / 4
    trainer = Trainer(artifact_of(tmp_path, loss="mean-squared-error", sizes=(12, 16, 16, 2))).fit(
        X, targets, normalization=None, epochs=3
    )
    trainer.save(tmp_path / "saved")
    scores, failure = driver.run(tmp_path / "saved", X, targets, "--resume", "scores", "predict")
    np.testing.assert_allclose(np.reshape(scores, (-1, 2)), trainer.predict(X), rtol=1e-4, atol=1e-5)
    assert failure == {"status": 2, "message": "predict: gives labels, and this model predicts numbers; call scores"}
