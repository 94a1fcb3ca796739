"""Blocks of several layers in the trainer against the oracle: losses, every weight and every scale over 40 steps.

A perceptron and a small convolutional network as one block each. The oracle is given what the recipe chose (the rate), and which
rows and slices a step takes; all arithmetic is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.oracle.conv import ConvBlock
from tests.oracle.dense import DenseBlock, Slice, size_of
from tests.oracle.network import Mean, Network, Pool, Relu, Stage
from tests.ort_ops.conftest import library
from tests.run.trained_models import SIZES, artifact_of, blobs
from tests.small_models import conv_net, load_model
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.records import BlockRecord
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.sample_order import SampleOrder

__all__ = ["library"]

Array = NDArray[Any]
STEPS, BATCH, TURN = 40, 6, 8
# float32 against float64, and 16-bit inputs of the first layer, 3e-5 of the largest; a wrong factor of 1 % gives 1e-3 and more.
RELATIVE = 3e-4
# Adam divides by the root of tiny variances: where a gradient is near zero, rounding decides its direction.
RELATIVE_ADAM = 2e-3


def pictures(classes: int = 5) -> tuple[Array, Array]:
    """Noise around a picture a class, 3x8x8."""
    rng = np.random.default_rng(8)
    y = rng.integers(0, classes, BATCH * STEPS)
    return (rng.normal(0, 1, (classes, 3, 8, 8))[y] + rng.normal(0, 1, (len(y), 3, 8, 8))).astype(np.float32), y


def perceptron(folder: Path, **options: Any) -> Artifact:
    return artifact_of(folder, block_layers="all", batch=BATCH, **options)


def convolutional(folder: Path, **options: Any) -> Artifact:
    graph = load_model(conv_net(), folder)
    return build(graph, plan(graph, "1MB", **{"block_layers": "all", "batch": BATCH, "slices": "2x2", **options}))


def perceptron_stages(layers: Sequence[DenseBlock], is_binary: bool) -> list[Stage]:
    """The bits leave Relu nothing to do."""
    ends = [(not is_binary, is_binary), (not is_binary, is_binary), (False, False)]
    return [Stage(layers[i], SIZES[i : i + 1], [Relu()] * has_relu, has_bits) for i, (has_relu, has_bits) in enumerate(ends)]


def convolutional_stages(layers: Sequence[DenseBlock], is_binary: bool) -> list[Stage]:
    """Of the pooled values the first become bits; the mean of what is never negative says nothing by its sign."""
    return [
        Stage(layers[0], (3, 8, 8), [Relu(), Pool((8, 8, 8))], has_bits=is_binary),
        Stage(layers[1], (8, 4, 4), [Relu(), Mean(16)]),
        Stage(layers[2], (8,)),
    ]


Kind = tuple[Callable[..., Artifact], Callable[[Sequence[DenseBlock], bool], list[Stage]], Callable[[], tuple[Array, Array]]]
KINDS: dict[str, Kind] = {
    "perceptron": (perceptron, perceptron_stages, lambda: blobs(BATCH * STEPS, seed=4)),
    "convolutional": (convolutional, convolutional_stages, pictures),
}


class Case:
    """A network of a kind under both."""

    def __init__(self, folder: Path, kind: str, options: dict[str, Any], kernels: Path | None = None) -> None:
        make, stages_of, data = KINDS[kind]
        self.artifact = make(folder, **options)
        (self.record,) = self.artifact.blocks
        self.x, self.y = data()
        self.trainer = Trainer(self.artifact, kernels=kernels, threads=1)
        is_binary = options.get("binarize", "both") == "both"
        self.network = Network(stages_of(self._layers(options), is_binary))
        for stage, after in zip(self.network.stages, self.network.stages[1:]):
            stage.is_scaled = options.get("block_output") == "scaled"
            if stage.has_bits and not stage.is_scaled and after.layer.binarize == "both":
                after.layer.input_center = 0.375 if after.layer.has_levels else 0.5

    def _layers(self, options: dict[str, Any]) -> list[DenseBlock]:
        found = []
        for number, layer in enumerate(self.record.layers):
            kept = self.artifact.initial[f"{layer.name}#weight"].astype(float)
            given: dict[str, Any] = {
                "bias": self.artifact.initial[f"{layer.name}#bias"].astype(float),
                "head": None,
                "optimizer": (optimizer := self.artifact.manifest.optimizer.name),
                "length": size_of(kept) if optimizer == "normalized" else 1.0,
                "momentum": 0.9 ** (BATCH / 100),
                "window_floor": -1.0,
                "alpha": options.get("weight_scale", "row"),
                "has_levels": options.get("activation_bits") == 2,
                "binarize": options.get("binarize", "both") if layer.is_binary else "none",
            }
            if layer.kind == "dense":
                found.append(DenseBlock(weight=kept.T, **given))
            else:
                weight = kept.transpose(2, 1, 0).reshape(*kept.shape[:0:-1], 3, 3)
                found.append(ConvBlock(weight=weight, pads=(1, 1, 1, 1), group=8 if number else 1, **given))
        return found

    def ours(self, **settings: Any) -> list[float]:
        chosen = {"epochs": 1, "rate_schedule": "constant", "rotate_every": TURN, **settings}
        return [report.loss for report in self.trainer.iterate(self.x, self.y, normalization=None, **chosen)]

    def expected(self) -> list[float]:
        """The oracle's losses, at the rate that the trainer has measured."""
        self._calibrate()
        rate, found = self.trainer.progress.rates[self.record.name], []
        for step, rows in enumerate(SampleOrder(self.y, BATCH, (0, 0)).epoch(0)):
            parts = _parts(self.record, step // TURN)
            found.append(self.network.step(self.x[rows].astype(float), self.y[rows], rate, parts))
        return found

    def _calibrate(self) -> None:
        calibration = SampleOrder(self.y, BATCH, (0, 0)).epoch(1)
        measured = dict.fromkeys((stage for stage in self.network.stages if stage.has_bits), 0.0)
        for stage in measured:
            sizes = []
            for k in range(500 // BATCH):
                for each, scale in measured.items():
                    each.layer.scale = scale
                # A step moves scales: levels notice, sizes of what is scaled do not.
                self.network.forward(self.x[calibration[k % STEPS]].astype(float), follows=stage.layer.has_levels)
                sizes.append(np.abs(stage.y).mean())
            measured[stage] = stage.layer.scale = float(np.mean(sizes))

    def check_equal(self, ours: list[float], expected: list[float]) -> None:
        assert len(ours) == STEPS
        slack = RELATIVE_ADAM if self.artifact.manifest.optimizer.name == "adam" else RELATIVE
        np.testing.assert_allclose(ours, expected, rtol=RELATIVE)
        for layer, stage in zip(self.record.layers, self.network.stages):
            state, oracle = self.trainer.state.layers[layer.name], stage.layer
            weight = oracle.weight.reshape(*oracle.weight.shape[:2], -1).transpose(2, 1, 0)
            np.testing.assert_allclose(state.weight.reshape(weight.shape), weight, rtol=slack, atol=slack, err_msg=layer.name)
            assert state.bias is not None
            np.testing.assert_allclose(state.bias, oracle.bias, rtol=slack, atol=slack, err_msg=layer.name)
        scaled = [stage for stage in self.network.stages if stage.has_bits]
        assert len(self.record.binary) == len(scaled)
        for value, stage in zip(self.record.binary, scaled):
            assert float(self.trainer.state.others[scale_of(value)]) == pytest.approx(stage.layer.scale, rel=RELATIVE)


def _parts(record: BlockRecord, turn: int) -> list[Slice]:
    """The slice of each layer in a turn; one that is cut less comes round more often."""
    found = []
    for layer in record.layers:
        j, i = divmod(turn % layer.grid.count, layer.grid.num_bands)
        found.append((layer.ins[i], layer.ins[i + 1], layer.outs[j], layer.outs[j + 1]))
    return found


PRECISIONS = ("none", "weights", "both")
OPTIONS = [(precision, optimizer, "2x2") for precision in PRECISIONS for optimizer in ("sgd", "normalized", "momentum", "adam")]
OPTIONS += [(precision, "sgd", "1x1") for precision in PRECISIONS]


# Convolutions take a second each: every precision and every optimizer once, all pairs among the slow tests.
CONVOLUTIONAL = [("none", "adam", "2x2"), ("weights", "normalized", "2x2"), ("both", "momentum", "2x2"), ("both", "sgd", "1x1")]
CASES = [("perceptron", *option) for option in OPTIONS] + [("convolutional", *option) for option in CONVOLUTIONAL]
SLOW = [("convolutional", *option) for option in OPTIONS if option not in CONVOLUTIONAL]


@pytest.mark.parametrize(
    ("kind", "binarize", "optimizer", "slices"), [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_40_steps(tmp_path: Path, kind: str, binarize: str, optimizer: str, slices: str) -> None:
    case = Case(tmp_path, kind, {"binarize": binarize, "optimizer": optimizer, "slices": slices})
    case.check_equal(case.ours(), case.expected())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "option",
    [{"weight_scale": "tensor"}, {"block_output": "scaled"}, {"activation_bits": 2}],
    ids=["tensor", "scaled", "levels"],
)
def test_scales_and_levels(tmp_path: Path, kind: str, option: dict[str, Any]) -> None:
    case = Case(tmp_path, kind, {"optimizer": "sgd", **option})
    case.check_equal(case.ours(), case.expected())


@pytest.mark.parametrize(("binarize", "optimizer"), [("both", "sgd"), ("both", "momentum"), ("both", "adam"), ("weights", "sgd")])
def test_40_steps_of_kernels(library: Path, tmp_path: Path, binarize: str, optimizer: str) -> None:
    case = Case(tmp_path, "perceptron", {"binarize": binarize, "optimizer": optimizer}, kernels=library)
    assert case.trainer.state.is_packed
    case.check_equal(case.ours(), case.expected())


@pytest.mark.parametrize("wrong", ["weight", "rate", "sent", "moved"])
def test_a_one_percent_error_is_noticed(tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what a layer sends back; and errors of weights that have moved already are not those of the step."""
    case = Case(tmp_path, "perceptron", {"binarize": "none", "optimizer": "sgd", "slices": "1x1"})
    ours = case.ours()
    if wrong == "weight":
        case.network.stages[1].layer.weight *= 1.01
    elif wrong == "rate":
        case.trainer.progress.rates[case.record.name] *= 1.01
    elif wrong == "sent":
        send = Stage.send
        monkeypatch.setattr(Stage, "send", lambda stage, grad: 1.01 * send(stage, grad))
    else:
        monkeypatch.setattr(Network, "step", moved_too_early)
    with pytest.raises(AssertionError):
        case.check_equal(ours, case.expected())


def moved_too_early(network: Network, x: Array, target: Array, rate: float, parts: Sequence[Slice]) -> float:
    """A step whose layers send their errors back through weights that have moved."""
    scores = network.forward(x)
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    truth = np.eye(scores.shape[1])[target]
    grad = (likely - truth) / len(x)
    for stage, part in zip(reversed(network.stages), reversed(parts)):
        grad_z = stage.backward(grad)
        stage.layer.move(grad_z, stage.x, rate, part)
        grad = stage.send(grad_z)
    return float(-(np.log(likely) * truth).sum() / len(x))
