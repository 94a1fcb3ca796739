"""Blocks of several layers, trained end to end in generated C and on onnxruntime, as in test_training.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.trained_pair import Pair, pair_of, pair_of_graph
from tests.c99.training_checks import TOLERANCE, check_block, data_of
from tests.emit.conv_models import conv_model
from tests.small_models import ModelBuilder, load_model

CASES: dict[str, dict[str, Any]] = {
    "real": {"batch": 2, "slices": "2x2", "binarize": "none"},
    "whole": {"batch": 1, "slices": "1x1", "binarize": "none", "optimizer": "momentum"},
    "adam": {"batch": 3, "slices": "2x3", "binarize": "none", "optimizer": "adam"},
    "full": {"batch": 2, "schedule": "full", "binarize": "none"},
    "weights": {"batch": 2, "slices": "2x2", "binarize": "weights", "optimizer": "sgd"},
    "default": {"batch": 2, "slices": "2x2"},
    # One scale for each activation; of convolutions, the first has two channels and is cut less than the others.
    "paper": {"batch": 2, "slices": "3x2", "block_output": "scaled", "weight_scale": "tensor"},
    "pairs": {"batch": 2, "slices": "2x2", "block_layers": "2", "optimizer": "sgd"},
    "learned": {"batch": 2, "slices": "2x2", "block_layers": "2", "head": "learned"},
    "shares": {"batch": 2, "train": "last:2[:3/8]"},
    "shares in slices": {"batch": 2, "slices": "2x2", "train": "all,last:2[:1/2]"},
    "biases": {"batch": 2, "train": "last:2[bias]", "optimizer": "momentum"},
    "biases beside": {"batch": 2, "slices": "2x2", "train": "all[bias],last:1"},
    "tail": {"batch": 2, "slices": "2x2", "train": "last:2"},
    # Layers take turns.
    "one": {"batch": 2, "slices": "2x2", "slices_at": "one"},
    "one, real": {"batch": 2, "slices": "1x2", "slices_at": "one", "binarize": "none", "optimizer": "adam"},
    "one, whole": {"batch": 2, "slices": "1x1", "slices_at": "one", "optimizer": "momentum", "block_output": "scaled"},
    "one, weights": {"batch": 2, "slices": "2x2", "slices_at": "one", "binarize": "weights", "block_layers": "2"},
    "one, tensor": {"batch": 2, "slices": "3x2", "slices_at": "one", "weight_scale": "tensor", "block_output": "scaled"},
    "one, shares": {"batch": 2, "slices": "2x2", "slices_at": "one", "train": "all,last:2[:1/2]"},
    "one, learned": {"batch": 2, "slices": "2x2", "slices_at": "one", "block_layers": "2", "head": "learned"},
    "one, biases": {"batch": 2, "slices": "2x2", "slices_at": "one", "train": "all[bias],last:1"},
}


def check(pair: Pair, shape: tuple[int, ...] = (-1,)) -> None:
    for index, block in enumerate(pair.device.model.source.blocks):
        check_block(pair, index, (block.starting_rate, block.starting_rate), shape)
    x = data_of(pair, 7)[0]
    expected, ours = pair.scores(x.reshape(-1, *(shape if len(shape) > 1 else x.shape[2:])))
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


# Of what is trained in part convolutions show more; of layers that take turns one case for each is enough in a hurry.
IN_TURN = {case for case in CASES if case.startswith("one")}
SLOW = {"dense": {"biases", "biases beside", "shares in slices", *IN_TURN} - {"one"}, "conv": IN_TURN - {"one, real"}}


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, marks=pytest.mark.slow if case in SLOW[kind] else ()) for case in CASES]


@pytest.mark.parametrize("case", cases("dense"))
def test_dense(case: str, tmp_path: Path) -> None:
    check(pair_of(tmp_path, **{"block_layers": "all", **CASES[case]}))


@pytest.mark.parametrize("case", cases("conv"))
def test_convolutions(case: str, tmp_path: Path) -> None:
    graph = load_model(conv_model(), tmp_path)
    pair = pair_of_graph(graph, tmp_path, **{"block_layers": "all", **CASES[case]})
    check(pair, graph.shape(graph.inputs[0])[1:])


@pytest.mark.parametrize("train", ["plain,residual,fc", "plain,strided,fc"])
@pytest.mark.parametrize("binarize", ["both", "none"])
def test_errors_pass_layers_that_stay_as_they_are(train: str, binarize: str, tmp_path: Path) -> None:
    """Strided, depthwise and normalized convolutions with the model's own weights stand between layers that learn."""
    graph = load_model(conv_model(), tmp_path)
    pair = pair_of_graph(graph, tmp_path, batch=2, slices="2x2", block_layers="all", train=train, binarize=binarize)
    assert any(node.op_type == "ConvTranspose" for node in pair.device.model.source.blocks[0].step.nodes)
    check(pair, graph.shape(graph.inputs[0])[1:])


@pytest.mark.parametrize("binarize", ["both", "none"])
def test_errors_pass_a_transposed_convolution(binarize: str, tmp_path: Path) -> None:
    """One of two groups, with strides, dilations, uneven pads and a position behind the last window."""
    builder = ModelBuilder((2, 4, 5))
    x = builder.node("Relu", (builder.conv("input", (2, 4), name="first"),))
    window: dict[str, Any] = {"strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 0], "group": 2}
    y = builder.node("Tanh", (builder.node("ConvTranspose", (x, builder.weight(4, 3, 3, 3), builder.weight(6)), **window),))
    graph = builder.load(tmp_path, builder.dense(builder.node("Flatten", (y,)), 6 * 9 * 8, 3, "last"))
    pair = pair_of_graph(graph, tmp_path, batch=2, slices="2x2", block_layers="all", binarize=binarize)
    check(pair, (2, 4, 5))


def test_predictions_see_the_scales_of_a_turn(tmp_path: Path) -> None:
    """While a slice has its turn, all scales of its block are in RAM, and behind it they are stored."""
    pair = pair_of(tmp_path, block_layers="all", **CASES["paper"])
    x, y = data_of(pair, 4)
    for batch, target in zip(x, y):
        pair.device.step(batch, target, 0.01)
    samples = x.reshape(-1, x.shape[-1])
    during = pair.device.predict(samples)
    pair.device.save()
    # Sums of |w| are added in another order once the slice is stored.
    np.testing.assert_allclose(pair.device.predict(samples), during, rtol=1e-6, atol=1e-6 * np.abs(during).max())


@pytest.mark.parametrize("case", ["default", "one"])
def test_a_one_percent_error_is_noticed(case: str, tmp_path: Path) -> None:
    pair = pair_of(tmp_path, block_layers="all", **CASES[case])
    rate = pair.device.model.source.blocks[0].starting_rate
    with pytest.raises(AssertionError):
        check_block(pair, 0, (rate, 1.01 * rate))
