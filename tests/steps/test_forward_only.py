"""Methods without a backward pass: every weight over 20 steps beside the oracle, refusals, training that stops and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.oracle.forward_only import Drtp, ForwardForward, Network, Pepita
from tests.small_models import conv_net, load_model, mlp, residual_net
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.learners import LEARNERS
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime

SIZES, BATCH, STEPS = (20, 24, 16, 4), 6, 20
METHODS = ("drtp", "pepita", "forward-forward")
RATES = {"drtp": 0.3, "pepita": 0.3, "forward-forward": 0.3}
# float32 against float64: 1e-7 a product, a few dozen products deep, over 20 steps; real inputs of binary layers have 16 bits,
# 3e-5 of the largest. A wrong factor of 1 % gives 1e-3 and more.
RELATIVE = 3e-4
CLEARANCE = 3e-4  # ten times the quantization of real inputs


def artifact_of(folder: Path, method: str, **options: Any) -> Artifact:
    graph = load_model(mlp(SIZES), folder)
    return build(graph, plan(graph, "1MB", **{"method": method, "batch": BATCH, "optimizer": "sgd", **options}))


def oracle_of(artifact: Artifact, method: str, binarize: str) -> Network:
    initial = {name: array.astype(float) for name, array in artifact.initial.items()}
    weights, biases = ([initial[f"fc{k + 1}#{kind}"] for k in range(len(SIZES) - 1)] for kind in ("weight", "bias"))
    if method == "pepita":
        return Pepita(weights, biases, binarize == "both", initial["fc1#projection"])
    if method == "forward-forward":
        embedding = initial["fc1#embedding"]
        return ForwardForward(weights, biases, binarize == "both", embedding[0, 0] - embedding[0, 1])
    return Drtp(weights, biases, binarize == "both", [initial[f"fc1#projection{k}"] for k in (1, 2)])


class Both:
    """One training under both: the same weights, the same batches."""

    def __init__(self, folder: Path, method: str, binarize: str) -> None:
        artifact = artifact_of(folder, method, binarize=binarize)
        if method == "pepita" and binarize == "none":
            artifact.initial["fc1#projection"] *= 20  # errors that so few steps make visible
        self.state = ModelState(artifact.manifest, artifact.initial)
        self.training = BlockTraining(artifact, 0, self.state, Runtime())
        self.oracle = oracle_of(artifact, method, binarize)
        self.rate = RATES[method]
        self.rng = np.random.default_rng(0)

    def clear_batch(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """A batch of which no z is so near to a jump of an activation that rounding would decide it."""
        while True:
            x, labels = self.rng.normal(size=(BATCH, SIZES[0])).astype(np.float32), self.rng.integers(0, SIZES[-1], BATCH)
            if self.oracle.margin(x.astype(float), labels) > CLEARANCE:
                return x, labels

    def run(self) -> NDArray[Any]:
        """Losses (steps, 2) of both."""
        losses = []
        self.training.begin_turn(0)
        for _ in range(STEPS):
            x, labels = self.clear_batch()
            self.training.inputs["input"][...], self.training.labels[...] = x, labels
            ours = self.training.step(self.rate).loss
            losses.append((ours, self.oracle.step(x.astype(float), labels, self.rate)))  # type: ignore[attr-defined]
        return np.array(losses)

    def check_equal(self, losses: NDArray[Any]) -> None:
        np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=RELATIVE)
        arrays = self.state.arrays()
        for k, (weight, bias) in enumerate(zip(self.oracle.weights, self.oracle.biases), 1):
            np.testing.assert_allclose(arrays[f"fc{k}#weight"], weight, rtol=RELATIVE, atol=RELATIVE, err_msg=f"fc{k}")
            np.testing.assert_allclose(arrays[f"fc{k}#bias"], bias, rtol=RELATIVE, atol=RELATIVE, err_msg=f"fc{k}")


@pytest.mark.parametrize("binarize", ["none", "both"])
@pytest.mark.parametrize("method", METHODS)
def test_20_steps_are_those_of_the_oracle(tmp_path: Path, method: str, binarize: str) -> None:
    both = Both(tmp_path, method, binarize)
    begun = {name: array.copy() for name, array in both.state.arrays().items()}
    both.check_equal(both.run())
    for k in (1, 2, 3):  # far more than the tolerance
        assert np.abs(both.state.arrays()[f"fc{k}#weight"] - begun[f"fc{k}#weight"]).max() > 30 * RELATIVE


@pytest.mark.parametrize("wrong", ["rate", "fc1#weight", "fc2#bias"])
@pytest.mark.parametrize("method", METHODS)
def test_a_one_percent_error_is_noticed(tmp_path: Path, method: str, wrong: str) -> None:
    both = Both(tmp_path, method, "none")
    if wrong == "rate":
        both.oracle.weights[2] *= 1.01
    else:
        both.state.layers[wrong[:3]].arrays()[wrong][...] *= 1.01
    with pytest.raises(AssertionError):
        both.check_equal(both.run())


@pytest.mark.parametrize("binarize", ["none", "both"])
@pytest.mark.parametrize("method", METHODS)
def test_it_learns_and_stops_and_goes_on_to_the_same_bits(tmp_path: Path, method: str, binarize: str) -> None:
    artifact = artifact_of(tmp_path, method, binarize=binarize, optimizer=LEARNERS[method].get("optimizer", "auto"))
    rng = np.random.default_rng(1)
    y = rng.integers(0, SIZES[-1], 120)
    x = (rng.normal(size=(120, SIZES[0])) + 2 * rng.normal(size=(SIZES[-1], SIZES[0]))[y]).astype(np.float32)
    settings: dict[str, Any] = {"epochs": 8, "rate": 10}  # for so few steps
    whole = Trainer(artifact).fit(x, y, normalization=None, **settings)
    halted = Trainer(artifact)
    for number, _ in enumerate(halted.iterate(x, y, normalization=None, **settings)):
        if number == 77:
            break
    halted.save(tmp_path / "halted")
    resumed = Trainer.load(tmp_path / "halted").fit(x, y, normalization=None)
    for name, array in whole.state.arrays().items():
        np.testing.assert_array_equal(resumed.state.arrays()[name], array, err_msg=name)
    accuracy = whole.evaluate(x, y).accuracy
    least = 0.4 if (method, binarize) == ("forward-forward", "both") else 0.7  # of 4 classes, well apart: chance is 0.25
    assert accuracy is not None and accuracy > least


def test_no_error_passes_a_layer(tmp_path: Path) -> None:
    """What the first layer learns by DRTP does not depend on the weights behind it."""
    first = []
    for factor in (1, 3):
        both = Both(tmp_path, "drtp", "none")
        both.state.layers["fc3"].arrays()["fc3#weight"][...] *= factor
        both.run()
        first.append(both.state.arrays()["fc1#weight"])
    np.testing.assert_array_equal(first[0], first[1])


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_run_is_refused(tmp_path: Path, method: str) -> None:
    graph = load_model(mlp(), tmp_path)
    with pytest.raises(UnsupportedError, match=f"method {method}: has no C99; plan for ort-cpu"):
        plan(graph, "1MB", method=method, target="c99")
    with pytest.raises(UsageError, match=f"--block-layers 2: is no choice of the method {method}"):
        plan(graph, "1MB", method=method, block_layers="2")
    with pytest.raises(UnsupportedError, match=f"method {method}: needs one class a sample, but the loss is mean-squared-error"):
        plan(graph, "1MB", method=method, loss="mean-squared-error")
    with pytest.raises(
        UnsupportedError,
        match=f"node 'inner': stands beside a shortcut or another layer, where the method {method} needs a chain",
    ):
        plan(load_model(residual_net(), tmp_path), "10MB", method=method)


def test_what_layers_a_method_is_not_for(tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    with pytest.raises(UnsupportedError, match="node 'conv1': is pooled or shaped anew, and the method pepita"):
        plan(graph, "10MB", method="pepita")
    with pytest.raises(UnsupportedError, match="node 'conv1': is not dense with a Relu behind it, as the method forward-forward"):
        plan(graph, "10MB", method="forward-forward")
    with pytest.raises(UnsupportedError, match="node 'fc1': reads 3 numbers, too few for a label of 4 classes"):
        plan(load_model(mlp((3, 8, 4)), tmp_path), "1MB", method="forward-forward")


def test_drtp_trains_convolutions(tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    artifact = build(graph, plan(graph, "10MB", method="drtp", batch=BATCH, binarize="none"))
    rng = np.random.default_rng(0)
    trainer = Trainer(artifact).fit(rng.normal(size=(30, 3, 8, 8)), rng.integers(0, 5, 30), normalization=None, epochs=2)
    for name in ("conv1", "conv2", "fc"):
        assert not np.array_equal(trainer.state.arrays()[f"{name}#weight"], artifact.initial[f"{name}#weight"]), name
