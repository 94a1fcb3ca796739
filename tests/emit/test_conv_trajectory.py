"""Emitted steps of convolution blocks on onnxruntime against the oracle: losses, weights and statistics over 20 steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.emit.conv_models import NORMALIZED, WINDOWS, conv_model
from tests.emit.trajectory import BATCH, CLEARANCE, RELATIVE, Losses, Onnxruntime, Trajectory, balanced_head, length_of
from tests.oracle.conv import ConvBlock, Normalization
from tests.profiles_for_tests import ALLOCATOR
from tests.small_models import load_model
from tests.steps.step_graphs import step_of
from tinyfoa_rt.artifact.records import OptimizerRecord
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.partition import partition
from tinyfoa_rt.run.conv_state import ConvState
from tinyfoa_rt.steps import StepChoice

SEED = 3
KEPT = 0.9 ** (BATCH / 100)  # of running means


class ConvCase(Trajectory):
    """One block under both: the same weights, the same batches."""

    def __init__(self, folder: Path, name: str, options: Mapping[str, Any], slices: Slices) -> None:
        self.name = name
        index = [*WINDOWS].index(name)
        self.rng = rng = np.random.default_rng(SEED + index)
        graph = load_model(conv_model(), folder)
        block = partition(graph).blocks[index]
        self.layer = layer = block.layers[0]
        kernel = graph.shape(layer.weight)[2:]
        weight = rng.uniform(-1, 1, (layer.out_features, layer.in_features, layer.taps)).astype(np.float32)
        bias = rng.normal(0, 0.1, layer.out_features).astype(np.float32)
        binarize, optimizer, pool = options["binarize"], options["optimizer"], options.get("head_pool", "none")
        head = balanced_head(rng, _units(graph.shape(block.output), pool))
        window: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in WINDOWS[name].items()}
        self.oracle: ConvBlock = ConvBlock(
            weight=weight.astype(float).reshape(*weight.shape[:2], *kernel),
            bias=bias.astype(float),
            head=head,
            binarize=binarize,
            optimizer=optimizer,
            scale=0.5,
            momentum=KEPT,
            window_floor=-1.0,
            alpha=options.get("weight_scale", "row"),
            input_center=0.5 if binarize == "both" and index > 0 else 0.0,
            head_pool=pool,
            length=length_of(graph, self.layer, optimizer),
            **window,
        )
        self.slices = Slices(min(slices.m_in, layer.in_features), slices.m_out)
        kept = np.ascontiguousarray(weight.transpose(2, 1, 0))
        grid = SliceGrid.of(layer, self.slices)
        self.state = ConvState(layer.name, kept, bias.copy(), grid, OptimizerRecord.of(optimizer), binarize != "none")
        choice = StepChoice(self.slices, BATCH, holds_slice=self.slices.count > 1)
        model = emit_step(step_of(graph, index, ALLOCATOR, choice, num_outputs=4, **options))
        onnx.checker.check_model(model, full_check=True)
        self.runtime = Onnxruntime(model, self.state)
        self.runtime.others |= {"#head": head, f"{block.output}#scale": np.array(0.5, dtype=np.float32)}
        if name in NORMALIZED:
            self._normalize(graph.constants[block.nodes[1].inputs[1]].read(), graph.constants[block.nodes[1].inputs[2]].read())
        self.is_bits = binarize == "both" and index > 0
        # Sums of bits are exact, so only float32 is left; z has few values, of which one may stay near an edge for long.
        self.clearance = 1e-5 if self.is_bits else CLEARANCE
        self.input = layer.input
        self.input_shape = (BATCH, *graph.shape(self.input)[1:])

    def _normalize(self, gain: NDArray[Any], shift: NDArray[Any]) -> None:
        channels = len(gain)
        mean, variance = self.rng.normal(0, 0.3, channels), self.rng.uniform(0.5, 1.5, channels)
        self.oracle.normalization = Normalization(gain.astype(float), shift.astype(float), mean, variance, KEPT)
        self.trained = mean.astype(np.float32), variance.astype(np.float32), shift.astype(np.float32)
        names = (f"{self.name}_norm_out#{name}" for name in ("running_mean", "running_variance", "shift"))
        self.runtime.others |= dict(zip(names, self.trained))

    def batch(self) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        feeds: dict[str, NDArray[Any]] = {"#target": self.rng.integers(0, 4, BATCH)}
        if self.is_bits:
            feeds[self.input] = self.rng.integers(0, 2, self.input_shape).astype(np.uint8)
        else:
            feeds[self.input] = self.rng.normal(0, 1, self.input_shape).astype(np.float32)
        x = feeds[self.input].astype(float)
        self.oracle.skip = x if self.name == "residual" else None
        return x, feeds

    @property
    def weight(self) -> NDArray[Any]:
        return self.state.weight.transpose(2, 1, 0).reshape(self.oracle.weight.shape)

    def check_equal(self, losses: Losses) -> None:
        super().check_equal(losses)
        if self.oracle.normalization is not None:
            norm = self.oracle.normalization
            for found, expected in zip(self.trained, (norm.mean, norm.variance, norm.shift)):
                np.testing.assert_allclose(found, expected, RELATIVE, RELATIVE)


def _units(shape: tuple[int, ...], pool: str) -> int:
    """How many numbers a head sees of an output; cells of a grid are as small as four of them along an axis allow."""
    if pool == "none":
        return int(np.prod(shape[1:]))
    sides = [-(-length // -(-length // 4)) for length in shape[2:]] if pool == "grid" else [1]
    return int(shape[1] * np.prod(sides))


COMBINATIONS = [("sgd", (1, 1)), ("sgd", (2, 2)), ("momentum", (2, 2)), ("adam", (1, 1)), ("adam", (2, 2))]
COMBINATIONS += [("normalized", (1, 1)), ("normalized", (2, 2))]


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("binarize", ["both", "weights", "none"])
@pytest.mark.parametrize(("optimizer", "grid"), COMBINATIONS)
def test_20_steps(tmp_path: Path, name: str, binarize: str, optimizer: str, grid: tuple[int, int]) -> None:
    slices = Slices(*grid)
    case = ConvCase(tmp_path, name, {"binarize": binarize, "optimizer": optimizer}, slices)
    case.check_equal(case.run())
    if binarize != "none":
        np.testing.assert_array_equal(case.state.signs, np.where(case.state.weight >= 0, 1, -1))


@pytest.mark.parametrize("slices", [Slices(1, 3), Slices(2, 1), Slices(3, 5)], ids=["1x3", "2x1", "3x5"])
@pytest.mark.parametrize("name", WINDOWS)
def test_any_grid_and_the_paper_s_alpha(tmp_path: Path, name: str, slices: Slices) -> None:
    if name == "strided":
        slices = Slices(slices.m_in, min(slices.m_out, 4))
    case = ConvCase(tmp_path, name, {"binarize": "both", "optimizer": "sgd", "weight_scale": "tensor"}, slices)
    case.check_equal(case.run())


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize(("binarize", "optimizer"), [("both", "sgd"), ("weights", "momentum"), ("none", "adam")])
@pytest.mark.parametrize("pool", ["average", "grid"])
def test_a_head_that_sees_means_of_each_channel(tmp_path: Path, name: str, binarize: str, optimizer: str, pool: str) -> None:
    if name == "residual":
        pytest.skip("its output is flattened")
    case = ConvCase(tmp_path, name, {"binarize": binarize, "optimizer": optimizer, "head_pool": pool}, Slices(2, 2))
    case.check_equal(case.run())


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize(
    ("binarize", "optimizer"), [("both", "momentum"), ("weights", "sgd"), ("none", "adam"), ("both", "normalized")]
)
@pytest.mark.parametrize("pool", ["none", "average", "grid"])
def test_a_head_that_learns(tmp_path: Path, name: str, binarize: str, optimizer: str, pool: str) -> None:
    if name == "residual" and pool != "none":
        pytest.skip("its output is flattened")
    options = {"binarize": binarize, "optimizer": optimizer, "head_pool": pool, "head": "learned"}
    case = ConvCase(tmp_path, name, options, Slices(2, 2))
    case.learn_head()
    begun = case.runtime.others["#head"].copy()
    case.check_equal(case.run())
    assert np.abs(case.runtime.others["#head"] - begun).max() > 0.02


@pytest.mark.parametrize("wrong", ["rate", "head", "bias", "weight"])
@pytest.mark.parametrize(("name", "pool"), [("strided", "none"), ("depthwise", "none"), ("plain", "grid")])
def test_a_one_percent_error_is_noticed(tmp_path: Path, name: str, pool: str, wrong: str) -> None:
    case = ConvCase(tmp_path, name, {"binarize": "both", "optimizer": "sgd", "head_pool": pool}, Slices(2, 2))
    case.spoil(wrong)
    with pytest.raises(AssertionError):
        case.check_equal(case.run())


@pytest.mark.parametrize("of", ["gain", "shift"])
def test_a_one_percent_error_of_a_normalization_is_noticed(tmp_path: Path, of: str) -> None:
    case = ConvCase(tmp_path, "depthwise", {"binarize": "both", "optimizer": "sgd"}, Slices(2, 2))
    assert case.oracle.normalization is not None
    wrong = getattr(case.oracle.normalization, of)
    wrong *= 1.01
    with pytest.raises(AssertionError):
        case.check_equal(case.run())
