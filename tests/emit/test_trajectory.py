"""Emitted steps on onnxruntime against the oracle: losses and every weight over 20 steps, slices taking turns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.emit.trajectory import BATCH, Onnxruntime, Trajectory, balanced_head, length_of
from tests.oracle.dense import DenseBlock
from tests.profiles_for_tests import ALLOCATOR
from tests.small_models import load_model, mlp
from tests.steps.step_graphs import step_of
from tinyfoa_rt.artifact.records import OptimizerRecord
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.partition import partition
from tinyfoa_rt.run.layer_state import LayerState
from tinyfoa_rt.steps import StepChoice

SIZES = (40, 24, 20, 4)
SEED = 10  # with some, rounding decides the sign of a latent weight or of a tiny gradient, which Adam makes large
GRID = Slices(2, 2)


class Case(Trajectory):
    """One block under both: the same weights, the same batches."""

    def __init__(self, folder: Path, index: int, options: Mapping[str, str], slices: Slices = GRID) -> None:
        rng = np.random.default_rng(SEED + index)
        graph = load_model(mlp(SIZES), folder)
        block = partition(graph).blocks[index]
        self.layer: Layer = block.layers[0]
        n_in, n_out = SIZES[index], SIZES[index + 1]
        weight = rng.uniform(-1, 1, (n_out, n_in)).astype(np.float32)
        bias = rng.normal(0, 0.1, n_out).astype(np.float32)
        head = None if block.is_classifier else balanced_head(rng, n_out)
        binarize, optimizer = options["binarize"], options["optimizer"]
        self.slices = slices
        self.oracle = DenseBlock(
            weight=weight.astype(float),
            bias=bias.astype(float),
            head=head,
            binarize=binarize,
            optimizer=optimizer,
            scale=0.5,
            momentum=0.0 if options.get("scale") == "batch" else 0.9 ** (BATCH / 100),
            window_floor=0.0 if options.get("ste_window") == "relu" else -1.0,
            alpha=options.get("weight_scale", "row"),
            length=length_of(graph, self.layer, optimizer),
        )
        self.is_bits = binarize == "both" and index > 0
        self.scale = 0.7 if options.get("block_output") == "scaled" else 1.0
        if block.is_classifier and options.get("classifier") != "binary":
            binarize = self.oracle.binarize = "none"
        elif self.is_bits and self.scale == 1:
            self.oracle.input_center = 0.5
        grid = SliceGrid.of(self.layer, slices)
        self.state = LayerState(
            self.layer.name, weight.T.copy(), bias.copy(), grid, OptimizerRecord.of(optimizer), binarize != "none"
        )
        choice = StepChoice(slices, BATCH, holds_slice=slices.count > 1)
        step = step_of(graph, index, ALLOCATOR, choice, num_outputs=4, **options)
        self.runtime = Onnxruntime(emit_step(step), self.state)
        if head is not None:
            self.runtime.others["#head"] = head
            self.runtime.others[f"{block.output}#scale"] = np.array(0.5, dtype=np.float32)
        self.input = block.inputs[0]
        self.rng = rng

    def batch(self) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """The oracle's real input, and the feeds of the step."""
        target = self.rng.integers(0, 4, BATCH)
        if not self.is_bits:
            x = self.rng.normal(0, 1, (BATCH, self.layer.in_features)).astype(np.float32)
            return x.astype(float), {self.input: x, "#target": target}
        bits = self.rng.integers(0, 2, (BATCH, self.layer.in_features)).astype(np.uint8)
        scale = np.array(self.scale, dtype=np.float32)
        return bits * float(scale), {self.input: bits, f"{self.input}#scale": scale, "#target": target}

    @property
    def weight(self) -> NDArray[Any]:
        return self.state.weight.T


OPTIONS = [(b, o) for b in ("both", "weights", "none") for o in ("sgd", "momentum", "adam", "normalized")]


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize(("binarize", "optimizer"), OPTIONS)
def test_20_steps(tmp_path: Path, index: int, binarize: str, optimizer: str) -> None:
    case = Case(tmp_path, index, {"binarize": binarize, "optimizer": optimizer})
    case.check_equal(case.run())
    if case.state.is_binary:
        np.testing.assert_array_equal(case.state.signs, np.where(case.state.weight >= 0, 1, -1))


@pytest.mark.parametrize("slices", [Slices(1, 1), Slices(3, 2), Slices(1, 5)], ids=["whole", "uneven", "rows"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
def test_any_grid(tmp_path: Path, slices: Slices, optimizer: str) -> None:
    case = Case(tmp_path, 1, {"binarize": "both", "optimizer": optimizer}, slices)
    case.check_equal(case.run())


@pytest.mark.parametrize(
    "option",
    [
        {"weight_scale": "tensor"},
        {"scale": "batch"},
        {"ste_window": "relu"},
        {"block_output": "scaled"},
        {"classifier": "binary"},
    ],
)
@pytest.mark.parametrize("index", range(3))
def test_the_paper_s_own_scales_and_window(tmp_path: Path, index: int, option: dict[str, str]) -> None:
    case = Case(tmp_path, index, {"binarize": "both", "optimizer": "sgd", **option})
    case.check_equal(case.run())


@pytest.mark.parametrize("slices", [Slices(1, 1), GRID], ids=["whole", "2x2"])
@pytest.mark.parametrize("index", range(2))
@pytest.mark.parametrize(("binarize", "optimizer"), OPTIONS)
def test_a_head_that_learns(tmp_path: Path, index: int, binarize: str, optimizer: str, slices: Slices) -> None:
    case = Case(tmp_path, index, {"binarize": binarize, "optimizer": optimizer, "head": "learned"}, slices)
    case.learn_head()
    begun = case.runtime.others["#head"].copy()
    case.check_equal(case.run())
    assert np.abs(case.runtime.others["#head"] - begun).max() > 0.02


@pytest.mark.parametrize("wrong", ["rate", "head", "bias"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "normalized"])
def test_a_one_percent_error_of_a_head_that_learns_is_noticed(tmp_path: Path, wrong: str, optimizer: str) -> None:
    case = Case(tmp_path, 0, {"binarize": "both", "optimizer": optimizer, "head": "learned"})
    case.learn_head()
    case.spoil(wrong)
    with pytest.raises(AssertionError):
        case.check_equal(case.run())


@pytest.mark.parametrize("wrong", ["rate", "head", "bias"])
def test_a_one_percent_error_is_noticed(tmp_path: Path, wrong: str) -> None:
    case = Case(tmp_path, 0, {"binarize": "both", "optimizer": "sgd"})
    case.spoil(wrong)
    with pytest.raises(AssertionError):
        case.check_equal(case.run())
