"""Layers of a block that take turns (``--slices-at one``): a step is that of all layers, but for those that wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.emit.conv_models import conv_model
from tests.run.trained_models import artifact_of, assert_equal_weights, blobs
from tests.small_models import load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.errors import TinyfoaError
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime

X, Y = blobs()
BATCH = 3
MODELS: dict[str, Callable[[], onnx.ModelProto]] = {"dense": lambda: mlp((30, 40, 24, 4)), "conv": conv_model}
# Sums of up to some hundred products in another order, each rounded by 6e-8; what is wrong by 1 % is a hundred times as far off.
RELATIVE = 1e-4


def after_turn(artifact: Artifact, turn: int, shape: tuple[int, ...]) -> tuple[float, dict[str, NDArray[Any]]]:
    """Loss and state after one step of the first block, in a turn, at a rate that does not depend on how many there are."""
    state = ModelState(artifact.manifest, artifact.initial)
    for name, array in state.others.items():
        array[...] = 0.5 if name.endswith("#scale") else array
    training = BlockTraining(artifact, 0, state, Runtime(threads=1))
    rng = np.random.default_rng(4)
    for array in training.inputs.values():
        array[...] = rng.normal(size=(BATCH, *shape))
    training.labels[...] = np.arange(BATCH) % 4
    training.begin_turn(turn)
    loss = training.step(0.05).loss
    return loss, {name: array.copy() for name, array in state.arrays().items()}


@pytest.mark.parametrize("binarize", ["both", "none", pytest.param("weights", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["dense", pytest.param("conv", marks=pytest.mark.slow)])
def test_a_step_moves_one_layer_as_the_step_of_all_does(kind: str, binarize: str, tmp_path: Path) -> None:
    graph = load_model(MODELS[kind](), tmp_path)
    options: dict[str, Any] = {
        "block_layers": "all",
        "batch": BATCH,
        "slices": "2x2",
        "optimizer": "momentum",
        "binarize": binarize,
    }
    each, one = (build(graph, plan(graph, "1MB", slices_at=at, **options)) for at in ("each", "one"))
    layers = [layer.name for layer in one.blocks[0].layers]
    assert len(one.blocks[0].layer_steps) == len(layers) > 2
    shape = graph.shape("input")[1:]
    for slice_turn in (0, 3):
        expected_loss, expected = after_turn(each, slice_turn, shape)
        for place, name in enumerate(layers):
            loss, ours = after_turn(one, slice_turn * len(layers) + place, shape)
            assert loss == pytest.approx(expected_loss, rel=1e-5)
            moved = [key for key in ours if key.startswith(f"{name}#")]
            assert any((ours[key] != one.initial[key]).any() for key in moved if key in one.initial)
            for key, array in ours.items():
                is_of_another = key.rpartition("#")[0].partition("#")[0] in layers and key not in moved
                if is_of_another and key in one.initial:
                    np.testing.assert_array_equal(array, one.initial[key], err_msg=key)
                elif not is_of_another and not (key.endswith("#shift") and (array == one.initial[key]).all()):
                    # A shift in front of the layer has no error to move by.
                    apart = np.abs(expected[key] - one.initial[key]).max() if key in one.initial else np.abs(expected[key]).max()
                    np.testing.assert_allclose(array, expected[key], rtol=1e-6, atol=RELATIVE * apart, err_msg=key)


def test_all_layers_learn_in_turn(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, sizes=(12, 64, 64, 4), block_layers="all", slices="2x1", slices_at="one")
    trainer = Trainer(artifact, threads=1).fit(X, Y, normalization=None, epochs=60)
    # Four clouds well apart, of which a guess gets a quarter right.
    accuracy = trainer.evaluate(X, Y).accuracy
    assert accuracy is not None and accuracy > 0.8
    weights = {name: array for name, array in trainer.state.arrays().items() if name.endswith("#weight")}
    assert len(weights) == 3 and all((array != artifact.initial[name]).any() for name, array in weights.items())


def test_a_plan_is_that_of_the_largest_step(tmp_path: Path) -> None:
    graph = load_model(mlp((80, 64, 40, 4)), tmp_path)
    options: dict[str, Any] = {"block_layers": "all", "batch": 4, "slices": "2x2", "binarize": "none", "samples": 400}
    each, one = (plan(graph, "1MB", slices_at=at, **options) for at in ("each", "one"))
    assert one.peak_bytes < 0.9 * each.peak_bytes
    assert one.blocks[0].update_fraction == pytest.approx(each.blocks[0].update_fraction / 3)
    # A third of the turns writes a slice of each layer, whose sizes differ.
    assert one.written_bytes_per_epoch is not None and each.written_bytes_per_epoch is not None
    assert one.written_bytes_per_epoch == pytest.approx(each.written_bytes_per_epoch / 3, rel=0.05)


def test_blocks_of_one_layer_are_what_they_were(tmp_path: Path) -> None:
    each, one = (artifact_of(tmp_path, slices_at=at) for at in ("each", "one"))
    assert {path: model for path, model in each.models.items() if path != "plan.json"} == {
        path: model for path, model in one.models.items() if path != "plan.json"
    }
    assert_equal_weights(each.initial, one.initial)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"schedule": "full"}, "--slices-at one: the schedule 'full' moves all layers; leave one of the two out"),
        ({"nonvolatile": "none"}, "--slices-at one: saves nothing where all layers are in RAM"),
        ({"slices_at": "two"}, "--slices-at two: is not known; use each, one"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(TinyfoaError, match=words):
        plan(load_model(mlp((8, 7, 6, 5)), tmp_path), "1MB", **{"block_layers": "all", "slices_at": "one", **options})
