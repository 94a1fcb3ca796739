"""The convolutional networks of MLPerf Tiny learn in C99 as on onnxruntime, and resnet8's last blocks inside 256 KB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.trained_pair import Pair, pair_of_graph
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.model import load

# A step differs by the rounding of sums of up to 576 products and of 2,304 positions, and a hundred steps add up.
TOLERANCE = 1e-4
# Of how far the weights of a layer have moved: an update that is 1 % too large shows however small it is.
OF_A_MOVE = 1e-3
# Real units have no thresholds but that of a Relu: at these samples and rates no unit comes so close to 0 that rounding
# decides whether its error passes. Where one does, as in the fourth block of kws at the full rate, one weight moves otherwise.
REAL: dict[str, Any] = {"binarize": "none", "head": "kaiming"}


def train(pair: Pair, graph: Graph, steps: int, rate: float) -> None:
    """Steps of every block on random samples, at a part of the recipe's rate; then scores."""
    rng = np.random.default_rng(0)
    program, shape = pair.device.model.program, graph.shape(graph.inputs[0])[1:]
    for index, block in enumerate(pair.device.model.source.blocks):
        x = rng.normal(0, 1, (steps, program.batch, *shape)).astype(np.float32)
        outputs = program.output_size
        y = rng.normal(0, 1, (*x.shape[:2], outputs)) if program.takes_vectors else rng.integers(0, outputs, x.shape[:2])
        layers = pair.artifact.blocks[index].layers
        before = [pair.state.layers[layer.name].weight.copy() for layer in layers]
        losses = pair.train_block(index, x, y, (rate * block.starting_rate, rate * block.starting_rate))
        np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=TOLERANCE, atol=TOLERANCE)
        for layer, begun in zip(layers, before):
            ours, expected = pair.device.weights(layer.name), pair.state.layers[layer.name].weight
            assert np.linalg.norm(ours - expected) <= OF_A_MOVE * np.linalg.norm(expected - begun)
        pair.device.next_block()
    expected, ours = pair.scores(rng.normal(0, 1, (3, *shape)).astype(np.float32))
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())


def test_kws(shared_models: Path, tmp_path: Path) -> None:
    graph = load(shared_models / "kws.onnx")
    train(pair_of_graph(graph, tmp_path, batch=2, slices="2x2", **REAL), graph, 100, 0.25)


@pytest.mark.slow
def test_vww96(shared_models: Path, tmp_path: Path) -> None:
    """28 blocks; random samples are not what its weights were trained on, and at the recipe's rate they make it diverge."""
    graph = load(shared_models / "vww96.onnx")
    train(pair_of_graph(graph, tmp_path, batch=1, slices="1x2", **REAL), graph, 100, 0.02)


def test_kws_of_bits(shared_models: Path, tmp_path: Path) -> None:
    graph = load(shared_models / "kws.onnx")
    train(pair_of_graph(graph, tmp_path, batch=2, slices="2x2", head="kaiming"), graph, 5, 1.0)


def test_the_last_blocks_of_resnet8_in_256_kb(shared_models: Path, tmp_path: Path) -> None:
    """The arena is what the plan says; what lies behind it stays as it was."""
    graph = load(shared_models / "resnet8.onnx")
    pair = pair_of_graph(graph, tmp_path, budget="256KB", train="last:2", batch=1, binarize="none")
    program = pair.device.model.program
    assert program.arena_nbytes == max(block.peak_nbytes for block in pair.device.model.source.blocks) <= 256 * 1024
    assert program.arena_nbytes == max(block.end for block in program.blocks)
    train(pair, graph, 10, 1.0)
    assert pair.device.arena[-1] == 0xA5A5A5A5
    assert pair.device.arena[-2] != 0xA5A5A5A5


def test_the_tail_of_resnet8_end_to_end_in_256_kb(shared_models: Path, tmp_path: Path) -> None:
    """Three layers by true gradients."""
    graph = load(shared_models / "resnet8.onnx")
    options: dict[str, Any] = {"budget": "256KB", "train": "last:3", "block_layers": "all", "batch": 1, "binarize": "none"}
    pair = pair_of_graph(graph, tmp_path, **options)
    (block,) = pair.device.model.source.blocks
    assert len(block.layers) == 3 and pair.device.model.program.arena_nbytes <= 256 * 1024
    train(pair, graph, 10, 1.0)
    assert pair.device.arena[-1] == 0xA5A5A5A5


def test_an_autoencoder_end_to_end(shared_models: Path, tmp_path: Path) -> None:
    """The ten layers of ad01 as one block; its weights are not made for random samples, at which the full rate diverges."""
    graph = load(shared_models / "ad01.onnx")
    options: dict[str, Any] = {"budget": "256KB", "block_layers": "all", "batch": 1, "binarize": "none"}
    pair = pair_of_graph(graph, tmp_path, **options)
    (block,) = pair.device.model.source.blocks
    assert len(block.layers) == 10 and pair.device.model.program.arena_nbytes <= 256 * 1024
    train(pair, graph, 20, 0.001)
    assert pair.device.arena[-1] == 0xA5A5A5A5
