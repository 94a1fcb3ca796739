"""Generated C99 against the trainer on onnxruntime: every loss, every weight, and the scores, for each recipe and grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import Device
from tests.c99.trained_pair import Pair, exported, pair_of
from tests.c99.training_checks import TOLERANCE, check_block, data_of
from tinyfoa_rt.model import load
from tinyfoa_rt.zoo import write_model

CASES: dict[str, dict[str, Any]] = {
    "default": {"batch": 1, "slices": "2x2"},
    "whole": {"batch": 1, "slices": "1x1"},
    "uneven": {"batch": 4, "slices": "3x2"},
    "rows": {"batch": 3, "slices": "1x5"},
    "columns": {"batch": 2, "slices": "4x1"},  # cuts of 70 and 45 inputs that fall inside of words
    "momentum": {"batch": 3, "slices": "2x2", "optimizer": "momentum"},
    "adam": {"batch": 3, "slices": "2x3", "optimizer": "adam"},
    "normalized": {"batch": 1, "slices": "2x3", "optimizer": "normalized"},
    "two-classes": {"batch": 2, "slices": "2x2", "optimizer": "adam", "sizes": (70, 45, 40, 2)},
    "three-classes": {"batch": 2, "slices": "2x2", "sizes": (70, 45, 40, 3)},
    "paper": {
        "batch": 5,
        "slices": "2x2",
        "weight_scale": "tensor",
        "scale": "batch",
        "ste_window": "relu",
        "block_output": "scaled",
    },
    "binary-classifier": {"batch": 2, "slices": "2x2", "classifier": "binary"},
    "kaiming": {"batch": 2, "slices": "2x2", "head": "kaiming"},
    "weights": {"batch": 2, "slices": "2x2", "binarize": "weights"},
    "float": {"batch": 2, "slices": "3x2", "binarize": "none"},
    "float-kaiming": {"batch": 1, "slices": "2x2", "binarize": "none", "head": "kaiming", "optimizer": "momentum"},
    "full": {"batch": 2, "schedule": "full"},
    "class-weights": {"batch": 3, "slices": "2x2", "class_weights": "0.25,1,2.5,4"},
    "class-weights-deep": {"batch": 2, "block_layers": "all", "binarize": "none", "class_weights": "0.25,1,2.5,4"},
    "learned": {"batch": 1, "slices": "2x2", "head": "learned"},
    "learned-momentum": {"batch": 3, "slices": "1x5", "head": "learned", "optimizer": "momentum"},
    "learned-normalized": {"batch": 2, "slices": "2x2", "head": "learned", "optimizer": "normalized"},
    "learned-adam": {"batch": 2, "slices": "3x2", "head": "learned", "optimizer": "adam"},
    "learned-weights": {"batch": 2, "slices": "2x2", "head": "learned", "binarize": "weights"},
    "learned-float": {"batch": 1, "slices": "2x2", "head": "learned", "binarize": "none"},
    "real-first": {"batch": 2, "slices": "2x2", "first_layer": "real"},
    "levels": {"batch": 3, "slices": "2x2", "activation_bits": 2},
    "levels-one": {"batch": 1, "slices": "4x1", "activation_bits": 2, "block_output": "scaled", "classifier": "binary"},
    "levels-adam": {"batch": 2, "schedule": "full", "activation_bits": 2, "optimizer": "adam", "head": "learned"},
    "levels-integers": {"batch": 1, "slices": "2x3", "activation_bits": 2, "latent": "int8"},
    "learned-float-adam": {"batch": 3, "schedule": "full", "head": "learned", "binarize": "none", "optimizer": "adam"},
}


@pytest.mark.parametrize("case", CASES)
def test_equals_onnxruntime(case: str, tmp_path: Path) -> None:
    pair = pair_of(tmp_path, **CASES[case])
    for index, block in enumerate(pair.device.model.source.blocks):
        check_block(pair, index, (block.starting_rate, block.starting_rate))
    expected, ours = pair.scores(data_of(pair, 7)[0].reshape(-1, 70))
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


def test_vectors_as_targets(tmp_path: Path) -> None:
    """A model that reproduces its input; its own output is the last block's."""
    pair = pair_of(tmp_path, sizes=(20, 16, 20), batch=2, slices="2x2")
    assert pair.device.model.program.takes_vectors
    for index in range(2):
        check_block(pair, index, (0.05, 0.05))


@pytest.mark.parametrize("outputs", [1, 3])
def test_labels_of_0_and_1(tmp_path: Path, outputs: int) -> None:
    pair = pair_of(tmp_path, sizes=(20, 16, outputs), batch=2, slices="2x1", loss="binary-cross-entropy")
    x, _ = data_of(pair)
    y = (x[..., :outputs] > 0).astype(np.float32)
    for index in range(2):
        losses = pair.train_block(index, x, y, (0.05, 0.05))
        np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=TOLERANCE, atol=TOLERANCE)
        assert losses[-20:].mean() < losses[:20].mean()
        for layer in pair.artifact.blocks[index].layers:
            ours, expected = pair.device.weights(layer.name), pair.state.layers[layer.name].weight
            np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE)
        pair.device.next_block()


def test_a_one_percent_error_is_noticed(tmp_path: Path) -> None:
    pair = pair_of(tmp_path, **CASES["default"])
    rate = pair.device.model.source.blocks[0].starting_rate
    with pytest.raises(AssertionError):
        check_block(pair, 0, (rate, 1.01 * rate))


def test_only_the_last_blocks_are_trained(tmp_path: Path) -> None:
    """Layers before them run with the model's own weights, which are constants of the generated file."""
    pair = pair_of(tmp_path, batch=2, slices="2x2", train="last:2")
    assert len(pair.device.model.program.blocks) == 2
    for index in range(2):
        check_block(pair, index, (0.05, 0.05))


def test_a_thousand_steps_of_the_network_that_fits_256_kb(tmp_path: Path) -> None:
    """As a microcontroller trains: one sample a step. At most one sign in 10,000 may differ; more do only where a value comes so
    close to a threshold that rounding decides, and all that follows learns from it (docs/c99.md)."""
    write_model("mlp-784-256-256-10", tmp_path / "model.onnx")
    artifact, state, model = exported(load(tmp_path / "model.onnx"), tmp_path, "240KB", batch=1)
    pair = Pair(artifact, state, Device(model).start(10), 10)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, (1000, 1))
    x = (rng.normal(0, 1, (1000, 1, 784)) + 2 * (np.arange(784) % 10 == y[..., None])).astype(np.float32)
    for index, block in enumerate(model.source.blocks):
        losses = pair.train_block(index, x, y, (block.starting_rate, block.starting_rate))
        np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=1e-4, atol=1e-5)
        assert losses[-100:].mean() < 0.7 * losses[:100].mean(), "nothing was learnt"
        for layer in artifact.blocks[index].layers:
            ours, expected = pair.device.weights(layer.name), pair.state.layers[layer.name].weight
            assert ((ours >= 0) != (expected >= 0)).sum() <= expected.size // 10_000
        pair.device.next_block()
