"""Large layers are updated in blocks of rows: the same weights and states as where the whole layer is updated at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.artifact.folder import PLAN, Artifact
from tinyfoa_rt.artifact.plan_file import parse_plan
from tinyfoa_rt.emit import load_functions, row_blocks
from tinyfoa_rt.emit.row_blocks import block_shape
from tinyfoa_rt.emit.update_halves import split_update
from tinyfoa_rt.ir.optimizers import OPTIMIZERS, Optimizer
from tinyfoa_rt.run import Trainer

X, Y = blobs(60)
# The middle layer has more than one block, the others are small.
SIZES = (12, 400, 400, 4)
# Products of six samples are added up alike, whatever rows a product has; some processors' vectors end elsewhere, which rounds
# anew: 6 * 6e-8, ten steps long.
RELATIVE = 1e-5


@pytest.mark.parametrize(
    ("rows", "columns", "shape"),
    [
        (2000, 2000, (25, 80, 2000)),
        (784, 2000, (14, 56, 2000)),
        (400, 400, (2, 200, 400)),
        (362, 362, None),  # one block would do
        (1009, 2000, None),  # a prime number of rows
        (1, 2**20, None),  # one row
    ],
)
def test_blocks_are_equal_and_fit_the_cache(rows: int, columns: int, shape: tuple[int, int, int] | None) -> None:
    assert block_shape(rows, columns) == shape


def artifact(folder: Path, **options: Any) -> Artifact:
    return artifact_of(folder, budget="8MB", sizes=SIZES, slices="1x1", block_layers="all", **{"binarize": "none", **options})


def loops(trained: Artifact) -> list[onnx.NodeProto]:
    graph = onnx.load_model_from_string(trained.models[trained.blocks[0].step]).graph
    return [node for node in graph.node if node.op_type == "Scan"]


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "normalized"])
def test_blocks_give_what_the_whole_layer_gives(optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_blocks = artifact(tmp_path, optimizer=optimizer)
    monkeypatch.setattr(row_blocks, "block_shape", lambda rows, columns: None)
    whole = artifact(tmp_path, optimizer=optimizer)
    assert len(loops(in_blocks)) == 1 and not loops(whole)
    trainers = [Trainer(each, kernels=None, threads=1) for each in (in_blocks, whole)]
    before = {name: array.copy() for name, array in trainers[0].state.arrays().items()}
    for trainer in trainers:
        trainer.fit(X, Y, normalization=None, epochs=1)
    found, expected = (trainer.state.arrays() for trainer in trainers)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        largest = np.abs(array - before[name]).max()  # how far it came: a step that is one percent wrong is a hundredth of it
        np.testing.assert_allclose(found[name], array, rtol=0, atol=10 * RELATIVE * float(largest), err_msg=name)


def test_a_plan_in_blocks_has_no_gradient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a layer of 400 x 400 in float32 a step needs gradient and change, and in two blocks half of both: less by a gradient."""
    peaks = []
    for _ in range(2):
        planned = artifact(tmp_path, optimizer="normalized").models[PLAN]
        peaks.append(parse_plan(PLAN, planned).peak_bytes)
        monkeypatch.setattr(row_blocks, "block_shape", lambda rows, columns: None)
    turned_inputs = 4 * 6 * 400
    assert peaks[1] - peaks[0] == pytest.approx(4 * 400 * 400 - turned_inputs, abs=1000)  # and a few numbers, of 64 bytes each


@pytest.mark.parametrize("optimizer", [each for each in OPTIMIZERS.values() if each.is_elementwise], ids=lambda each: each.name)
def test_a_turn_computes_what_depends_on_its_block_alone(optimizer: Optimizer) -> None:
    body = load_functions([optimizer.update])[-1]
    once, of_block = split_update(body, ("w", "grad", *optimizer.states))
    computed = [node for node in body.node if node.op_type != "Constant"]
    assert {*once.output}.isdisjoint(of_block.output)
    assert sum(node.op_type != "Constant" for half in (once, of_block) for node in half.node) == len(computed)
    moving = {"w", "grad", *optimizer.states}
    for node in (node for node in of_block.node if node.op_type != "Constant"):
        assert moving.intersection(node.input), node.output
        moving.update(node.output)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adam", "binarize": "weights"},  # signs are packed of the whole layer
        {"optimizer": "sgd"},  # has no gradient
    ],
    ids=str,
)
def test_other_layers_are_updated_as_a_whole(options: dict[str, Any], tmp_path: Path) -> None:
    assert not loops(artifact(tmp_path, **options))
