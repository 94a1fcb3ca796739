"""Convolutions that are pooled as they are computed: in generated C as on onnxruntime, and in less memory than whole ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.trained_pair import pair_of_graph
from tests.c99.training_checks import TOLERANCE, check_block, data_of
from tests.small_models import ModelBuilder
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.pipeline import plan

CASES: dict[str, dict[str, Any]] = {
    "whole": {"batch": 1, "slices": "1x1"},
    "bands": {"batch": 2, "slices": "2x2", "optimizer": "momentum"},  # the inputs of an output lie in two slices
    "few bits": {"batch": 2, "slices": "1x2", "latent": "int12"},
}


def pooled_net(folder: Path, *, relu_first: bool = False) -> Graph:
    """Windows that overlap and reach into pads and beyond the end, behind convolutions with strides, dilations and pads."""
    builder = ModelBuilder((2, 11, 10))
    shape = {"pads": [1, 0, 1, 2], "strides": [1, 1], "dilations": [1, 2]}
    x = builder.node("Conv", ("input", builder.weight(4, 2, 3, 2), builder.weight(4)), name="first", **shape)
    if relu_first:
        x = builder.node("Relu", (x,), name="before")
    pool = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "ceil_mode": 1}
    x = builder.node("Relu", (builder.node("MaxPool", (x,), name="pool", **pool),), name="relu")
    x = builder.node("Conv", (x, builder.weight(6, 4, 2, 2), builder.weight(6)), name="second", strides=[2, 1])
    x = builder.node("MaxPool", (x,), name="small", kernel_shape=[2, 2], strides=[1, 2])
    return builder.load(folder, builder.dense(builder.node("Flatten", (x,)), 6 * 2 * 2, 3, "fc"))


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.slow if case != "bands" else ()) for case in CASES])
def test_trains_as_onnxruntime_does(case: str, tmp_path: Path) -> None:
    graph = pooled_net(tmp_path)
    pair = pair_of_graph(graph, tmp_path, block_layers="all", binarize="none", **CASES[case])
    (block,) = pair.device.model.source.blocks
    types = [node.op_type for node in block.step.nodes]
    assert types.count("RealConvMaxPool") == types.count("PooledErrors") == 2
    check_block(pair, 0, (block.starting_rate, block.starting_rate), (2, 11, 10))
    x = data_of(pair, 7)[0].reshape(-1, 2, 11, 10)
    expected, ours = pair.scores(x)
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


def test_the_output_of_the_convolution_takes_no_memory(tmp_path: Path) -> None:
    """A Relu in front of the pool reads it whole: then it is kept, and its gradient is as large."""
    options: dict[str, Any] = {"target": "c99", "batch": 1, "slices": "1x1", "block_layers": "all", "binarize": "none"}
    kept, pooled = (plan(pooled_net(tmp_path, relu_first=first), "1MB", **options).peak_bytes for first in (True, False))
    plane = 4 * 11 * 10
    assert kept - pooled > 2 * plane  # four planes, of which one stays for a moment, less the maxima and their places
