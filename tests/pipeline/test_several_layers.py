"""Plans of blocks of several layers: how far each layer is cut, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer


def test_each_layer_of_a_block_is_cut_as_far_as_it_can_be(tmp_path: Path) -> None:
    graph = load_model(mlp((12, 3, 20, 4)), tmp_path)
    artifact = build(graph, plan(graph, "1MB", block_layers="all", slices="5x6"))
    (block,) = artifact.blocks
    assert [(len(layer.ins) - 1, len(layer.outs) - 1) for layer in block.layers] == [(5, 3), (3, 6), (5, 4)]


@pytest.mark.parametrize(
    ("sizes", "slices", "layer"),
    [((8, 1, 6, 3), "1x2", "'fc1': has 8 inputs and 1 output"), ((1, 5, 3), "2x1", "'fc1': has 1 input and 5 outputs")],
)
def test_a_grid_that_leaves_a_layer_whole_is_refused(tmp_path: Path, sizes: tuple[int, ...], slices: str, layer: str) -> None:
    graph = load_model(mlp(sizes), tmp_path)
    words = f"--slices {slices}, layer {layer}: it is not cut by it; use another grid, or auto"
    with pytest.raises(UsageError, match=re.escape(words)):
        plan(graph, "1MB", block_layers="all", slices=slices)
    assert plan(graph, "1MB", slices=slices).feasible  # blocks of one layer are cut one by one


def trained(folder: Path, model: Any, budget: int, **options: Any) -> Trainer:
    """A trainer that has gone through all slices; ``auto`` has cut them to fit the budget."""
    graph = load_model(model, folder)
    planned = plan(graph, budget, block_layers="all", batch=1, **options)
    assert planned.feasible and planned.blocks[0].slices != (1, 1)
    trainer = Trainer(build(graph, planned), threads=1, kernels=None)
    x = np.random.default_rng(0).normal(size=(64, *graph.shape("input")[1:])).astype(np.float32)
    before = {name: array.copy() for name, array in trainer.state.arrays().items()}
    trainer.fit(x, np.arange(64) % trainer.artifact.manifest.num_outputs, normalization=None, epochs=4)
    for layer in trainer.artifact.blocks[0].layers:
        assert (trainer.state.arrays()[f"{layer.name}#weight"] != before[f"{layer.name}#weight"]).mean() > 0.5, layer.name
    return trainer


def test_a_plan_cuts_layers_of_one_input_or_output_by_their_other_side(tmp_path: Path) -> None:
    trained(tmp_path, mlp((40, 1, 60, 3)), 3_100)


def test_a_plan_cuts_a_depthwise_convolution_by_its_outputs(tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    least = plan(graph, "1MB", block_layers="all", batch=1).floor_bytes
    trainer = trained(tmp_path, conv_net(), least)
    assert all(layer.grid.count > 1 for layer in trainer.state.layers.values())
