"""Emitted steps on onnxruntime against the oracle: losses and every weight over 20 steps, slices taking turns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.oracle.dense import DenseBlock
from tests.small_models import load_model, mlp
from tests.steps.step_graphs import step_of
from tests.targets_for_tests import ALLOCATOR
from tinyfoa_rt.emit import emit_step
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.partition import bounds, partition, slice_at
from tinyfoa_rt.run.state import DenseState, Grid
from tinyfoa_rt.steps import StepChoice

STEPS, BATCH, TURN = 20, 6, 3
RATES = {"sgd": 0.5, "momentum": 0.2, "adam": 0.01}
SIZES = (40, 24, 20, 4)
SEED = 10  # with some, rounding decides the sign of a latent weight or of a tiny gradient, which Adam makes large
CLEARANCE = 3e-4  # ten times the quantization of real inputs
GRID = Slices(2, 2)

# float32 against float64: 1e-7 a product, a few dozen products deep, over 20 steps. Real inputs of binary layers are quantized to
# 16 bits (3e-5 of the largest). A wrong factor of 1 % anywhere gives 1e-3 and more.
RELATIVE = 2e-4


class Onnxruntime:
    """Runs one emitted step again and again on the state of a layer."""

    def __init__(self, model: onnx.ModelProto, state: DenseState) -> None:
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        self.names = [each.name for each in self.session.get_inputs()]
        self.state = state
        self.others: dict[str, NDArray[Any]] = {"rate": np.array(RATES[state.optimizer], dtype=np.float32)}

    def step(self, feeds: Mapping[str, NDArray[Any]], tensors: Mapping[str, NDArray[Any]]) -> float:
        given = {**tensors, **self.others, **feeds}
        outputs = [each.name for each in self.session.get_outputs()]
        results = dict(zip(outputs, self.session.run(outputs, {name: given[name] for name in self.names})))
        for name, value in results.items():
            if name.endswith(".next"):
                given[name.removesuffix(".next")][...] = value
        return float(results["loss"])


def balanced_head(rng: np.random.Generator, units: int) -> NDArray[np.int8]:
    """Two +1 and two -1 a unit: the errors of all classes add up to zero, so a unit of equal signs would get rounding alone."""
    return rng.permuted(np.repeat(np.array([[1], [1], [-1], [-1]], dtype=np.int8), units, axis=1), axis=0)


class Case:
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
            window_floor=0.0 if options.get("window") == "relu" else -1.0,
            alpha=options.get("alpha", "row"),
        )
        self.is_bits = binarize == "both" and index > 0
        self.scale = 0.7 if options.get("handover") == "scaled" else 1.0
        if block.is_classifier and options.get("classifier") != "binary":
            binarize = self.oracle.binarize = "none"
        elif self.is_bits and self.scale == 1:
            self.oracle.input_center = 0.5
        grid = Grid(*bounds(self.layer, slices))
        self.state = DenseState(self.layer.name, weight.T.copy(), bias.copy(), grid, optimizer, binarize != "none")
        choice = StepChoice(slices, BATCH, holds_slice=slices.count > 1)
        step = step_of(graph, index, ALLOCATOR, choice, num_outputs=4, **options)
        self.runtime = Onnxruntime(emit_step(step), self.state)
        if head is not None:
            self.runtime.others["head"] = head
            self.runtime.others[f"{block.output}.scale"] = np.array(0.5, dtype=np.float32)
        self.input = block.inputs[0]
        self.rng = rng

    def clear_batch(self) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """A batch of which no z is so near to a step of the activation or its window that rounding would decide it."""
        while True:
            x, feeds = self.batch()
            z = self.oracle.forward(x)
            if min(np.abs(z - edge).min() for edge in (-1, 0, 1)) > CLEARANCE:
                return x, feeds

    def batch(self) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """The oracle's real input, and the feeds of the step."""
        target = self.rng.integers(0, 4, BATCH)
        if not self.is_bits:
            x = self.rng.normal(0, 1, (BATCH, self.layer.in_features)).astype(np.float32)
            return x.astype(float), {self.input: x, "target": target}
        bits = self.rng.integers(0, 2, (BATCH, self.layer.in_features)).astype(np.uint8)
        scale = np.array(self.scale, dtype=np.float32)
        return bits * float(scale), {self.input: bits, f"{self.input}.scale": scale, "target": target}

    def run(self) -> list[tuple[float, float]]:
        """Losses of both, step by step."""
        losses = []
        for step in range(STEPS):
            if step % TURN == 0:
                turn = step // TURN % self.slices.count
                part = slice_at(self.layer, self.slices, turn)
                place = (part.in_start, part.in_stop, part.out_start, part.out_stop)
                tensors = self.state.begin_turn(turn)
            x, feeds = self.clear_batch()
            ours = self.runtime.step(feeds, tensors)
            losses.append((ours, self.oracle.step(x, feeds["target"], RATES[self.state.optimizer], place)))
        self.state.end_turn()
        return losses


OPTIONS = [(b, o) for b in ("both", "weights", "none") for o in ("sgd", "momentum", "adam")]


def check_equal(case: Case, losses: list[tuple[float, float]]) -> None:
    ours, expected = np.array(losses).T
    np.testing.assert_allclose(ours, expected, rtol=RELATIVE)
    # Adam divides by the root of tiny variances: where a gradient is near zero, rounding decides its direction.
    slack = 1e-3 if case.oracle.optimizer == "adam" else RELATIVE
    np.testing.assert_allclose(case.state.weight.T, case.oracle.weight, rtol=slack, atol=slack)
    assert case.state.bias is not None
    np.testing.assert_allclose(case.state.bias, case.oracle.bias, rtol=slack, atol=slack)


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize(("binarize", "optimizer"), OPTIONS)
def test_20_steps(tmp_path: Path, index: int, binarize: str, optimizer: str) -> None:
    case = Case(tmp_path, index, {"binarize": binarize, "optimizer": optimizer})
    check_equal(case, case.run())
    if case.state.is_binary:
        np.testing.assert_array_equal(case.state.signs, np.where(case.state.weight >= 0, 1, -1))


@pytest.mark.parametrize("slices", [Slices(1, 1), Slices(3, 2), Slices(1, 5)], ids=["whole", "uneven", "rows"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_any_grid(tmp_path: Path, slices: Slices, optimizer: str) -> None:
    case = Case(tmp_path, 1, {"binarize": "both", "optimizer": optimizer}, slices)
    check_equal(case, case.run())


@pytest.mark.parametrize(
    "option", [{"alpha": "tensor"}, {"scale": "batch"}, {"window": "relu"}, {"handover": "scaled"}, {"classifier": "binary"}]
)
@pytest.mark.parametrize("index", range(3))
def test_the_paper_s_own_scales_and_window(tmp_path: Path, index: int, option: dict[str, str]) -> None:
    case = Case(tmp_path, index, {"binarize": "both", "optimizer": "sgd", **option})
    check_equal(case, case.run())


@pytest.mark.parametrize("wrong", ["rate", "head", "bias"])
def test_a_one_percent_error_is_noticed(tmp_path: Path, wrong: str) -> None:
    case = Case(tmp_path, 0, {"binarize": "both", "optimizer": "sgd"})
    if wrong == "rate":
        case.runtime.others["rate"] = np.array(RATES["sgd"] * 1.01, dtype=np.float32)
    elif wrong == "bias":
        assert case.state.bias is not None
        case.state.bias *= 1.01
    else:
        case.oracle.head = case.oracle.head * 1.01 if case.oracle.head is not None else None
    with pytest.raises(AssertionError):
        check_equal(case, case.run())
