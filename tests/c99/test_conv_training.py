"""Convolutions that are trained: generated C99 against the trainer on onnxruntime, as in test_training.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import Device
from tests.c99.test_training import TOLERANCE, check_block, data_of
from tests.c99.trained_pair import Pair, exported
from tests.emit.test_conv_trajectory import conv_model
from tests.small_models import ModelBuilder, load_model, residual_net
from tinyfoa_rt.ir.graph import Graph

# Stride, dilation, groups, a depthwise one, batch normalization, a residual connection: all in `conv_model`. Heads are stored where
# it decides what is binary: the errors that four classes of a hashed one send to a unit may cancel to rounding, and its bias follows.
CASES: dict[str, dict[str, Any]] = {
    "default": {"batch": 2, "slices": "2x2", "head": "kaiming"},
    "one": {"batch": 1, "slices": "1x1", "head": "kaiming", "optimizer": "momentum"},
    "uneven": {"batch": 3, "slices": "1x3", "head": "kaiming"},
    "adam": {"batch": 3, "slices": "2x2", "head": "kaiming", "optimizer": "adam"},
    "paper": {"batch": 2, "slices": "2x2", "head": "kaiming", "alpha": "tensor", "window": "relu", "handover": "scaled"},
    "weights": {"batch": 2, "slices": "2x2", "binarize": "weights"},
    "float": {"batch": 2, "slices": "2x3", "binarize": "none"},
    "pooled": {"batch": 2, "slices": "2x2", "head": "kaiming", "head_pool": "average"},
    "float-pooled": {"batch": 4, "slices": "2x2", "binarize": "none", "head_pool": "average"},
    "full": {"batch": 2, "schedule": "full", "binarize": "none"},
}


def pair_of(graph: Graph, folder: Path, rotate_every: int = 3, **options: Any) -> Pair:
    artifact, state, model = exported(graph, folder, **options)
    return Pair(artifact, state, Device(model).start(rotate_every), rotate_every)


def check(pair: Pair, graph: Graph) -> None:
    """Every block, then the scores, which running statistics are a part of."""
    shape = graph.shape(graph.inputs[0])[1:]
    for index, block in enumerate(pair.device.model.source.blocks):
        check_block(pair, index, (block.starting_rate, block.starting_rate), shape)
    expected, ours = pair.scores(data_of(pair, 7)[0].reshape(-1, *shape))
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_equals_onnxruntime(case: str, tmp_path: Path) -> None:
    graph = load_model(conv_model(), tmp_path)
    check(pair_of(graph, tmp_path, **CASES[case]), graph)


@pytest.mark.parametrize("binarize", ["both", "none"])
def test_one_axis(binarize: str, tmp_path: Path) -> None:
    builder = ModelBuilder((2, 20))
    weights = (builder.weight(6, 1, 5), builder.weight(6), builder.weight(8, 6, 3), builder.weight(8))
    x = builder.node("Conv", ("input", *weights[:2]), "first", group=2, dilations=[2], pads=[3, 1])
    x = builder.node("Conv", (builder.node("Relu", (x,)), *weights[2:]), "second", strides=[2], pads=[1, 1])
    x = builder.node("Flatten", (builder.node("Relu", (x,)),))
    graph = builder.load(tmp_path, builder.dense(x, 64, 3, "fc"))
    check(pair_of(graph, tmp_path, batch=2, slices="2x2", binarize=binarize, head="kaiming"), graph)


@pytest.mark.parametrize("binarize", ["both", "weights", "none"])
def test_two_layers_of_a_block(binarize: str, tmp_path: Path) -> None:
    graph = load_model(residual_net(), tmp_path)
    check(pair_of(graph, tmp_path, batch=2, slices="2x2", binarize=binarize, head="kaiming"), graph)


def test_a_one_percent_error_is_noticed(tmp_path: Path) -> None:
    graph = load_model(conv_model(), tmp_path)
    pair = pair_of(graph, tmp_path, **CASES["float"])
    rate = pair.device.model.source.blocks[0].starting_rate
    with pytest.raises(AssertionError):
        check_block(pair, 0, (rate, 1.01 * rate), graph.shape(graph.inputs[0])[1:])
