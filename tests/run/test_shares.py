"""A step that trains a share of a layer, or its biases alone, is the step that trains all of it, but for what stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.emit.conv_models import conv_model
from tests.emit.local_models import local_net
from tests.run.trained_models import arrays_of
from tests.small_models import ModelBuilder, load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer


def grouped_model() -> onnx.ModelProto:
    """A convolution of two groups of four channels between two others, and a classifier."""
    builder = ModelBuilder((2, 6, 5), seed=2)
    x = builder.node("Relu", (builder.conv("input", (2, 8), name="first"),))
    weight = builder.weight(6, 4, 3, 3)
    x = builder.node("Relu", (builder.node("Conv", (x, weight, builder.weight(6)), "grouped", pads=[1] * 4, group=2),))
    return builder.model(builder.dense(builder.node("Flatten", (x,)), 6 * 30, 4, "fc"))


# A model, a layer of it, its inputs, and which others are trained too.
SHARED: dict[str, tuple[Callable[[], onnx.ModelProto], str, int, str]] = {
    "dense": (lambda: mlp((30, 40, 24, 4)), "fc2", 40, "fc3"),
    "conv": (conv_model, "residual", 8, "fc"),
    "grouped": (grouped_model, "grouped", 4, "fc"),
    "local": (local_net, "lc1", 2, "lc2,fc"),
}
# Of the longest move of a tensor: sums of up to some hundred products in another order, each rounded by 6e-8. A rate that is
# wrong by 1 % is a hundred times as much.
RELATIVE = 1e-4


def after_a_step(model: onnx.ModelProto, folder: Path, **options: Any) -> tuple[Artifact, dict[str, Any]]:
    """An artifact, and the state after one step of the block that is trained first."""
    graph = load_model(model, folder)
    artifact = build(graph, plan(graph, "1MB", **{"batch": 5, "slices": "1x1", "optimizer": "sgd", **options}))
    trainer = Trainer(artifact, threads=1, kernels=None)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, *graph.shape("input")[1:])).astype(np.float32)
    trainer.partial_fit(x, np.arange(5) % 4)
    return artifact, dict(arrays_of(trainer))


@pytest.mark.parametrize("binarize", ["both", "weights", "none"])
@pytest.mark.parametrize("block_layers", ["1", "all"])
@pytest.mark.parametrize("kind", SHARED)
def test_a_step_is_that_of_the_whole_layer_in_its_share(tmp_path: Path, kind: str, block_layers: str, binarize: str) -> None:
    options = {"block_layers": block_layers, "binarize": binarize}
    draw, name, inputs, others = SHARED[kind]
    model, trained = draw(), inputs // 2
    artifact, whole = after_a_step(model, tmp_path, train=f"{name},{others}", **options)
    _, ours = after_a_step(model, tmp_path, train=f"{name}[:1/2],{others}", **options)
    assert whole[f"{name}#weight"].shape[-2] == inputs
    before = {key: array for key, array in artifact.initial.items() if key in whole}
    weight = f"{name}#weight"
    expected = {**whole, weight: whole[weight].copy()}
    expected[weight][..., trained:, :] = before[weight][..., trained:, :]
    assert (expected[weight] != whole[weight]).any()
    for key in (key for key in whole if not key.endswith("#abs_sums")):  # those are of the weights, band by band
        moved = np.abs(whole[key] - before[key]).max()
        np.testing.assert_allclose(ours[key], expected[key], rtol=1e-6, atol=RELATIVE * moved, err_msg=key)
    np.testing.assert_array_equal(ours[weight][..., trained:, :], before[weight][..., trained:, :])


@pytest.mark.parametrize("block_layers", ["1", "all"])
@pytest.mark.parametrize("kind", [each for each in SHARED if SHARED[each][2] > 2])
def test_a_slice_of_a_share_is_that_part_of_a_step_of_it(tmp_path: Path, kind: str, block_layers: str) -> None:
    """Of real numbers, whose moves are as the rates: that of slices is higher. Biases move with each slice."""
    draw, name, inputs, others = SHARED[kind]
    model, trained = draw(), inputs // 2
    options = {"block_layers": block_layers, "binarize": "none", "train": f"{name}[:1/2],{others}"}
    (artifact, whole), (cut, ours) = (after_a_step(model, tmp_path, slices=slices, **options) for slices in ("1x1", "2x1"))
    bounds = cut.blocks[0].layers[[each.name for each in cut.blocks[0].layers].index(name)].grid.ins
    assert bounds[:3:2] == (0, trained) and cut.blocks[0].layers[0].turns == 2
    faster = cut.blocks[0].rate.boost / artifact.blocks[0].rate.boost
    for key in (f"{name}#weight", f"{name}#bias"):
        before = artifact.initial[key]
        expected = faster * (whole[key] - before)
        if key.endswith("#weight"):
            expected[..., bounds[1] :, :] = 0
        np.testing.assert_allclose(ours[key] - before, expected, rtol=0, atol=RELATIVE * np.abs(expected).max(), err_msg=key)
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize("block_layers", ["1", "all"])
@pytest.mark.parametrize("kind", ["dense", "conv", "grouped"])
def test_biases_alone_move_as_those_of_the_whole_layer(tmp_path: Path, kind: str, block_layers: str) -> None:
    """Of real numbers: what is trained in its biases alone keeps the model's own weights, and so is not binarized."""
    draw, name, _, others = SHARED[kind]
    model, options = draw(), {"block_layers": block_layers, "binarize": "none"}
    artifact, whole = after_a_step(model, tmp_path, train=f"{name},{others}", **options)
    _, ours = after_a_step(model, tmp_path, train=f"{name}[bias],{others}", **options)
    expected = {key: array for key, array in whole.items() if key not in (f"{name}#bias", f"{name}#abs_sums")}
    expected[f"{name}#weight"], before = (each[f"{name}#bias"].reshape(1, -1) for each in (whole, artifact.initial))
    assert (expected[f"{name}#weight"] != before).any()
    assert ours.keys() == {*expected, f"{name}#abs_sums"}
    for key, array in expected.items():
        moved = np.abs(array - (before if key == f"{name}#weight" else artifact.initial[key])).max() if "#abs" not in key else 1
        np.testing.assert_allclose(ours[key], array, rtol=1e-6, atol=RELATIVE * moved, err_msg=key)
