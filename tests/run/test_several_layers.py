"""Training of blocks of several layers stops and goes on to the bit, in every order and schedule, and evaluates between steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.run.trained_models import arrays_of, artifact_of, assert_equal_weights, blobs, check_inference_model
from tests.small_models import conv_net, load_model
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

X, Y = blobs()  # 120 samples: 20 steps an epoch
EPOCHS = 3


def deep(folder: Path, **options: Any) -> Artifact:
    return artifact_of(folder, **{"block_layers": "all", "sizes": (12, 16, 10, 14, 4), **options})


OPTIONS: dict[str, dict[str, Any]] = {
    "slices": {"optimizer": "adam"},
    "normalized": {"optimizer": "normalized", "slices": "3x2"},
    "real": {"optimizer": "momentum", "binarize": "none"},
    "whole": {"optimizer": "adam", "schedule": "full", "binarize": "weights"},
    "frozen diagonal": {"optimizer": "momentum", "schedule": "freeze-diagonal"},
    "interleaved": {"optimizer": "momentum", "order": "interleaved", "block_layers": "2"},
    "a frozen layer between": {"optimizer": "adam", "train": "fc1,fc3"},
    "a share": {"optimizer": "adam", "train": "fc1[:1/4],fc3", "slices": "1x1"},
    "a share in slices": {"optimizer": "adam", "train": "fc1[:2/3],fc3", "slices": "2x2"},
    "layers in turn": {"optimizer": "adam", "slices": "2x2", "slices_at": "one"},
    "biases": {"optimizer": "adam", "train": "fc1[bias],fc3", "slices": "2x2"},
    "scaled": {"optimizer": "momentum", "block_output": "scaled"},
}


# Within a turn, behind one, and in the second epoch; all of each are slow together.
STOPS = [pytest.param(1, marks=pytest.mark.slow), 7, pytest.param(29, marks=pytest.mark.slow)]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_goes_on_ends_in_the_weights_of_what_was_not_stopped(tmp_path: Path, options: dict[str, Any], stop: int) -> None:
    artifact = deep(tmp_path, **options)
    expected = arrays_of(Trainer(artifact, threads=1).fit(X, Y, normalization=None, epochs=EPOCHS, rotate_every=3))
    trainer = Trainer(artifact, threads=1)
    reports = trainer.iterate(X, Y, normalization=None, epochs=EPOCHS, rotate_every=3)
    for _ in range(stop):
        next(reports)
    trainer.evaluate(X, Y)  # turns end and begin again
    trainer.save(tmp_path / "run")
    resumed = Trainer.load(tmp_path / "run", threads=1)
    assert resumed.fit(X, Y, normalization=None).is_done
    assert_equal_weights(arrays_of(resumed), expected)
    assert any((expected[name] != array).any() for name, array in artifact.initial.items() if name in expected)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_trained_layer_learns_and_no_other_does(tmp_path: Path, options: dict[str, Any]) -> None:
    artifact = deep(tmp_path, **options)
    trainer = Trainer(artifact, threads=1).fit(X, Y, normalization=None, epochs=EPOCHS)
    moved = {
        name for name, array in arrays_of(trainer).items() if name.endswith("#weight") and (array != artifact.initial[name]).any()
    }
    layers = ["fc1", "fc3"] if "train" in options else ["fc1", "fc2", "fc3", "fc4"]
    assert moved == {f"{name}#weight" for name in layers}


def test_streams_go_on_to_the_bit(tmp_path: Path) -> None:
    """A stream has no end: what is saved between two batches goes on from there."""
    artifact = deep(tmp_path, optimizer="momentum")
    alone, begun = (Trainer(artifact, threads=1) for _ in range(2))
    losses = [alone.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 120, 6)]
    first = [begun.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 60, 6)]
    begun.save(tmp_path / "run")
    resumed = Trainer.load(tmp_path / "run", threads=1)
    assert first + [resumed.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(60, 120, 6)] == losses
    assert_equal_weights(arrays_of(resumed), arrays_of(alone))


@pytest.mark.parametrize("binarize", ["both", *(pytest.param(each, marks=pytest.mark.slow) for each in ("weights", "none"))])
def test_a_perceptron_learns_and_its_inference_model_agrees(tmp_path: Path, binarize: str) -> None:
    trainer = Trainer(deep(tmp_path, binarize=binarize, sizes=(12, 64, 64, 4)), threads=1).fit(
        X, Y, normalization=None, epochs=60
    )
    # Four clouds well apart, of which a guess gets a quarter right.
    accuracy = trainer.evaluate(X, Y).accuracy
    assert accuracy is not None and accuracy > 0.8
    trainer.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", trainer, X)


def test_a_convolutional_network_goes_on_to_the_bit(tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    artifact = build(graph, plan(graph, "1MB", block_layers="all", batch=4, slices="2x2", optimizer="adam"))
    x = np.random.default_rng(0).normal(0, 1, (40, 3, 8, 8)).astype(np.float32)
    y = np.arange(40) % 5
    expected = arrays_of(Trainer(artifact, threads=1).fit(x, y, normalization=None, epochs=2))
    trainer = Trainer(artifact, threads=1)
    reports = trainer.iterate(x, y, normalization=None, epochs=2)
    for _ in range(9):
        next(reports)
    trainer.save(tmp_path / "run")
    assert_equal_weights(arrays_of(Trainer.load(tmp_path / "run", threads=1).fit(x, y, normalization=None)), expected)
