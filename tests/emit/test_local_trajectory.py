"""Emitted steps of locally connected blocks on onnxruntime against the oracle: losses and every weight over 20 steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.emit.local_models import WINDOWS, local_net
from tests.emit.trajectory import BATCH, Onnxruntime, Trajectory, balanced_head, length_of
from tests.oracle.local import LocalBlock
from tests.profiles_for_tests import ALLOCATOR
from tests.small_models import load_model
from tests.steps.step_graphs import step_of
from tinyfoa_rt.artifact.records import OptimizerRecord
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.partition import partition
from tinyfoa_rt.run.local_state import LocalState
from tinyfoa_rt.steps import StepChoice

SEED = 6  # with 5, one bias of the first block has a gradient near zero, of which Adam takes the direction


class LocalCase(Trajectory):
    """One block under both: the same weights, the same batches."""

    def __init__(self, folder: Path, index: int, options: Mapping[str, Any], slices: Slices) -> None:
        self.rng = rng = np.random.default_rng(SEED + index)
        graph = load_model(local_net(), folder)
        block = partition(graph).blocks[index]
        self.layer = layer = block.layers[0]
        shape = (layer.out_features, layer.in_features, layer.positions, layer.taps)
        weight = rng.uniform(-1, 1, shape).astype(np.float32)
        bias = rng.normal(0, 0.1, (shape[0], shape[2])).astype(np.float32)
        pools = options.get("head_pool", "none")
        head = balanced_head(rng, shape[0] if pools == "average" else bias.size)
        binarize, optimizer = options["binarize"], options["optimizer"]
        window = WINDOWS[index]
        self.oracle = LocalBlock(
            weight=weight.astype(float),
            bias=bias.astype(float),
            head=head,
            binarize=binarize,
            optimizer=optimizer,
            scale=0.5,
            momentum=0.9 ** (BATCH / 100),
            window_floor=-1.0,
            alpha=options.get("weight_scale", "row"),
            kernel=tuple(window["kernel"]),
            strides=tuple(window.get("strides", (1, 1))),
            pads=tuple(window.get("pads", (0, 0, 0, 0))),
            input_center=0.5 if binarize == "both" and index > 0 else 0.0,
            head_pool=pools,
            length=length_of(graph, self.layer, optimizer),
        )
        self.slices = slices
        kept = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
        grid = SliceGrid.of(layer, slices)
        self.state = LocalState(layer.name, kept, bias.copy(), grid, OptimizerRecord.of(optimizer), binarize != "none")
        choice = StepChoice(slices, BATCH, holds_slice=slices.count > 1)
        model = emit_step(step_of(graph, index, ALLOCATOR, choice, num_outputs=4, **options))
        onnx.checker.check_model(model, full_check=True)
        self.runtime = Onnxruntime(model, self.state)
        self.runtime.others["#head"] = head
        self.runtime.others[f"{block.output}#scale"] = np.array(0.5, dtype=np.float32)
        self.is_bits = binarize == "both" and index > 0
        self.input = block.inputs[0]
        self.input_shape = (BATCH, *graph.shape(self.input)[1:])

    def batch(self) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        feeds: dict[str, NDArray[Any]] = {"#target": self.rng.integers(0, 4, BATCH)}
        if self.is_bits:
            feeds[self.input] = self.rng.integers(0, 2, self.input_shape).astype(np.uint8)
        else:
            feeds[self.input] = self.rng.normal(0, 1, self.input_shape).astype(np.float32)
        return feeds[self.input].astype(float), feeds

    @property
    def weight(self) -> NDArray[Any]:
        return self.state.weight.transpose(3, 2, 0, 1)


@pytest.mark.parametrize("slices", [Slices(1, 1), Slices(2, 2)], ids=["whole", "2x2"])
@pytest.mark.parametrize("index", range(2))
@pytest.mark.parametrize("binarize", ["both", "weights", "none"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
def test_20_steps(tmp_path: Path, index: int, binarize: str, optimizer: str, slices: Slices) -> None:
    case = LocalCase(tmp_path, index, {"binarize": binarize, "optimizer": optimizer}, slices)
    case.check_equal(case.run())
    if binarize != "none":
        np.testing.assert_array_equal(case.state.signs, np.where(case.state.weight >= 0, 1, -1))


@pytest.mark.parametrize("slices", [Slices(1, 4), Slices(2, 1), Slices(2, 3)], ids=["1x4", "2x1", "2x3"])
def test_any_grid_and_the_paper_s_alpha(tmp_path: Path, slices: Slices) -> None:
    case = LocalCase(tmp_path, 1, {"binarize": "both", "optimizer": "sgd", "weight_scale": "tensor"}, slices)
    case.check_equal(case.run())


@pytest.mark.parametrize("slices", [Slices(1, 1), Slices(2, 2), Slices(1, 4)], ids=["whole", "2x2", "1x4"])
@pytest.mark.parametrize(("binarize", "optimizer"), [("both", "sgd"), ("weights", "momentum"), ("none", "adam")])
def test_a_head_that_sees_the_mean_of_each_channel(tmp_path: Path, slices: Slices, binarize: str, optimizer: str) -> None:
    """Only the first block has one: the second's output is flattened."""
    case = LocalCase(tmp_path, 0, {"binarize": binarize, "optimizer": optimizer, "head_pool": "average"}, slices)
    assert case.runtime.others["#head"].shape == (4, 6)
    case.check_equal(case.run())


@pytest.mark.parametrize(("binarize", "optimizer"), [("both", "sgd"), ("weights", "momentum"), ("none", "adam")])
@pytest.mark.parametrize(("index", "pools"), [(0, "none"), (0, "average"), (1, "none")])
def test_a_head_that_learns(tmp_path: Path, index: int, pools: str, binarize: str, optimizer: str) -> None:
    options = {"binarize": binarize, "optimizer": optimizer, "head_pool": pools, "head": "learned"}
    case = LocalCase(tmp_path, index, options, Slices(2, 2))
    case.learn_head()
    begun = case.runtime.others["#head"].copy()
    case.check_equal(case.run())
    assert np.abs(case.runtime.others["#head"] - begun).max() > 0.02


@pytest.mark.parametrize("wrong", ["rate", "head", "bias", "weight"])
@pytest.mark.parametrize(("index", "pools"), [(0, "none"), (1, "none"), (0, "average")])
def test_a_one_percent_error_is_noticed(tmp_path: Path, index: int, pools: str, wrong: str) -> None:
    case = LocalCase(tmp_path, index, {"binarize": "both", "optimizer": "sgd", "head_pool": pools}, Slices(2, 2))
    case.spoil(wrong)
    with pytest.raises(AssertionError):
        case.check_equal(case.run())
