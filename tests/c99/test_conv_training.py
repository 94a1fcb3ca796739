"""Convolutions that are trained: generated C99 against the trainer on onnxruntime, as in test_training.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import Device, ExportedModel
from tests.c99.trained_pair import Pair, pair_of_graph
from tests.c99.training_checks import TOLERANCE, check_block, data_of
from tests.emit.conv_models import conv_model
from tests.small_models import ModelBuilder, conv_net, load_model, residual_net
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.names import statistics_of
from tinyfoa_rt.model import load
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.calibration import calibrate
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.session import Runtime

# Stride, dilation, groups, a depthwise one, batch normalization, a residual connection: all in `conv_model`. Heads are stored
# where units are binary: the errors that four classes of a hashed head send to a unit may cancel to rounding; its bias follows.
CASES: dict[str, dict[str, Any]] = {
    "default": {"batch": 2, "slices": "2x2", "head": "kaiming"},
    "one": {"batch": 1, "slices": "1x1", "head": "kaiming", "optimizer": "momentum"},
    "uneven": {"batch": 3, "slices": "1x3", "head": "kaiming"},
    "adam": {"batch": 3, "slices": "2x2", "head": "kaiming", "optimizer": "adam"},
    "normalized": {"batch": 2, "slices": "2x2", "head": "kaiming", "optimizer": "normalized"},
    "normalized-float": {"batch": 1, "schedule": "full", "binarize": "none", "optimizer": "normalized"},
    "paper": {
        "batch": 2,
        "slices": "2x2",
        "head": "kaiming",
        "weight_scale": "tensor",
        "ste_window": "relu",
        "block_output": "scaled",
    },
    "weights": {"batch": 2, "slices": "2x2", "binarize": "weights"},
    "float": {"batch": 2, "slices": "2x3", "binarize": "none"},
    "pooled": {"batch": 2, "slices": "2x2", "head": "kaiming", "head_pool": "average"},
    "float-pooled": {"batch": 4, "slices": "2x2", "binarize": "none", "head_pool": "average"},
    "full": {"batch": 2, "schedule": "full", "binarize": "none"},
    "learned": {"batch": 2, "slices": "2x2", "head": "learned", "optimizer": "momentum"},
    "learned-units": {"batch": 1, "slices": "2x2", "head": "learned", "head_pool": "none"},
    "learned-pooled": {"batch": 2, "slices": "2x2", "head": "learned", "head_pool": "average", "optimizer": "adam"},
    "levels": {"batch": 2, "slices": "2x2", "head": "kaiming", "activation_bits": 2},
    "levels-one": {"batch": 1, "slices": "1x3", "head": "learned", "activation_bits": 2, "optimizer": "normalized"},
    "levels-real-first": {"batch": 2, "slices": "2x2", "head": "kaiming", "activation_bits": 2, "first_layer": "real"},
    "levels-pooled": {
        "batch": 2,
        "slices": "2x2",
        "head": "learned",
        "head_pool": "average",
        "activation_bits": 2,
        "block_output": "scaled",
    },
    "learned-float": {"batch": 3, "slices": "2x3", "head": "learned", "binarize": "none", "optimizer": "adam"},
    "learned-float-units": {"batch": 2, "slices": "1x1", "head": "learned", "binarize": "none", "head_pool": "none"},
    "learned-float-pooled": {"batch": 1, "slices": "2x2", "head": "learned", "binarize": "none", "head_pool": "average"},
}


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
    check(pair_of_graph(graph, tmp_path, **CASES[case]), graph)


@pytest.mark.parametrize("binarize", ["both", "none"])
def test_one_axis(binarize: str, tmp_path: Path) -> None:
    builder = ModelBuilder((2, 20))
    weights = (builder.weight(6, 1, 5), builder.weight(6), builder.weight(8, 6, 3), builder.weight(8))
    x = builder.node("Conv", ("input", *weights[:2]), "first", group=2, dilations=[2], pads=[3, 1])
    x = builder.node("Conv", (builder.node("Relu", (x,)), *weights[2:]), "second", strides=[2], pads=[1, 1])
    x = builder.node("Flatten", (builder.node("Relu", (x,)),))
    graph = builder.load(tmp_path, builder.dense(x, 64, 3, "fc"))
    check(pair_of_graph(graph, tmp_path, batch=2, slices="2x2", binarize=binarize, head="kaiming"), graph)


@pytest.mark.parametrize("binarize", ["both", "weights", "none"])
def test_two_layers_of_a_block(binarize: str, tmp_path: Path) -> None:
    graph = load_model(residual_net(), tmp_path)
    check(pair_of_graph(graph, tmp_path, batch=2, slices="2x2", binarize=binarize, head="kaiming"), graph)


@pytest.mark.parametrize("head", ["kaiming", "learned"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "normalized"])
def test_c_goes_on_with_what_onnxruntime_has_trained(optimizer: str, head: str, tmp_path: Path) -> None:
    """Weights, heads, optimizer state, step counts, scales and statistics cross over, slice by slice."""
    graph = load_model(conv_model(), tmp_path)
    begun = pair_of_graph(graph, tmp_path, batch=3, slices="2x2", optimizer=optimizer, head=head)
    check(begun, graph)
    (tmp_path / "on").mkdir()
    model = ExportedModel.build(c_source(begun.artifact, begun.state.arrays()), tmp_path / "on")
    check(Pair(begun.artifact, begun.state, Device(model).start(3), 3), graph)


def test_statistics_are_measured_before_the_first_step(tmp_path: Path) -> None:
    """A mean over all samples, as the trainer on onnxruntime measures it; the block has no scale to be measured with them."""
    graph = load_model(conv_model(), tmp_path)
    pair = pair_of_graph(graph, tmp_path, batch=2, slices="2x2", binarize="none")
    index, names = 2, statistics_of("depthwise_norm_out")
    for _ in range(index):
        pair.device.next_block()
    x = data_of(pair, 25)[0].reshape(25, 2, *graph.shape(graph.inputs[0])[1:])
    forward = ForwardPass(pair.artifact, pair.state, Runtime(threads=1))
    training = BlockTraining(pair.artifact, index, pair.state, Runtime(threads=1))
    inputs = [forward.to_block(index, batch) for batch in x]
    training.begin_turn(0)

    def fill(number: int) -> None:
        for name, array in training.inputs.items():
            array[...] = inputs[number % len(x)][name]

    calibrate(training, pair.state, fill, 2)
    weight = pair.device.weights("depthwise")
    for batch in x:
        pair.device.calibrate(batch)
    pair.device.save()
    for name in names:
        # Variances are differences of squares up to 1, in float32.
        np.testing.assert_allclose(pair.device.statistic(name), pair.state.others[name], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(pair.device.weights("depthwise"), weight)


def test_a_one_percent_error_is_noticed(tmp_path: Path) -> None:
    graph = load_model(conv_model(), tmp_path)
    pair = pair_of_graph(graph, tmp_path, **CASES["float"])
    rate = pair.device.model.source.blocks[0].starting_rate
    with pytest.raises(AssertionError):
        check_block(pair, 0, (rate, 1.01 * rate), graph.shape(graph.inputs[0])[1:])


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 2, "head": "kaiming"},
        pytest.param({"batch": 1, "binarize": "none", "block_layers": "all"}, marks=pytest.mark.slow),
    ],
)
def test_means_in_front_of_the_model(options: dict[str, Any], tmp_path: Path) -> None:
    """Raw samples go in; means of 3 x 3 pixels, at the end of fewer, are the first call of the forward pass."""
    path = tmp_path / "conv.onnx"
    path.write_bytes(conv_net().SerializeToString())
    graph = load(path, pool_input=3)
    check(pair_of_graph(graph, tmp_path, **options), graph)
