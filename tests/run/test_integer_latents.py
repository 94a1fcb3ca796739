"""Latent weights of few bits: steps round by chance without a bias, and what is interrupted goes on to the same bits."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ops.body_cases import BodyCase
from tests.ops.one_node import EVALUATORS, one_node_model
from tests.ops.references import REFERENCES
from tests.ops.references.integers import draw_uniform, move_integers
from tests.run.trained_models import SIZES, artifact_of, blobs, check_inference_model
from tests.small_models import load_model, mlp
from tinyfoa_rt.ir.latents import FORMATS, draw, latent_of, quantized, quantum_of_reals, quantum_of_signs
from tinyfoa_rt.ir.optimizers import OPTIMIZERS
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime

X, Y = blobs()
INTEGERS = [name for name in FORMATS if latent_of(name).is_integer]


def test_draws_are_those_of_the_reference() -> None:
    places = np.arange(15).reshape(3, 5).T  # outputs are columns
    for key, step in ((0, 0), (2**32 - 1, 2**31 - 1), (1234567, 10)):
        (expected,) = draw_uniform(np.zeros((5, 3)), np.array(step), key=key)
        np.testing.assert_array_equal(draw(key, step, places), expected)


def test_draws_are_uniform_and_apart() -> None:
    """Sixteen equal bins of a million numbers, and neighbours in place and in step that have nothing in common."""
    u = draw(99, 3, np.arange(1_000_000))
    counts = np.bincount((u * 16).astype(int), minlength=16)
    # Chi-square of 15 degrees of freedom is below 44 in 9,999 cases of 10,000, and the seed is fixed.
    assert np.sum((counts - 62_500) ** 2 / 62_500) < 44
    for other in (draw(99, 4, np.arange(1_000_000)), draw(100, 3, np.arange(1_000_000)), np.roll(u, 1)):
        # The correlation of independent numbers is normal with deviation 1e-3.
        assert abs(np.corrcoef(u, other)[0, 1]) < 4e-3


@pytest.mark.parametrize("change", [0.0, 1e-5, -1e-3, 0.3, -0.5, 7.75])
def test_rounding_has_no_bias(change: float) -> None:
    """What a step adds is the change in the mean, also of changes far below one unit."""
    places = np.arange(1_000_000)
    moves = np.floor(draw(7, 11, places) - np.float32(change)).astype(np.float64)
    share = abs(change) % 1
    # The mean of n moves has the deviation of one coin of that share by sqrt(n); five of them, and u is a multiple of 2^-24.
    assert abs(moves.mean() + change) <= 5 * np.sqrt(share * (1 - share) / len(places)) + 2**-24


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("latent", INTEGERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_of_integers_is_the_real_step_in_quanta(optimizer: str, latent: str, evaluator: str) -> None:
    """The change is that of the real operator from weights of 0 at the rate over the quantum; states move as they do."""
    rng, row, form = np.random.default_rng(3), OPTIMIZERS[optimizer], latent_of(latent)
    q = rng.integers(-form.most, form.most + 1, (6, 5)).astype(form.dtype)
    grad = rng.normal(0, 1, q.shape).astype(np.float32)
    states: list[Any] = [rng.uniform(0.1, 1, q.shape).astype(np.float32) for _ in row.states]
    states += [np.array(0.3, dtype=np.float32) for _ in row.scalars] + [np.array(4, dtype=np.int32)] * row.counts_steps
    rate, quantum = np.array(0.25, dtype=np.float32), np.array(0.125, dtype=np.float32)  # 2: exact
    step, kept = np.array(17, dtype=np.int64), {"key": 5, "taps": 2, "most": form.most}
    dtype = {"int8": 3, "int12": 5, "int16": 5}[latent]
    inputs = (q, grad, rate, *states, quantum, step, None)
    case = BodyCase("step", f"{row.update}OnIntegers", inputs, {**kept, "dtype": dtype})
    zeros = np.zeros(q.shape, dtype=np.float32)
    moved, *expected = REFERENCES[row.update](zeros, grad, np.float32(2), *states, None, limit=1e9)
    outputs = EVALUATORS[evaluator](case, one_node_model(case, [q, *expected]))
    (q_next,) = move_integers(q, -moved.astype(np.float32), step, **kept)
    # The reference is float64: a draw within 1e-6 of a whole number, of which there are none here, could go the other way.
    np.testing.assert_array_equal(outputs[0], q_next)
    for found, reference in zip(outputs[1:], expected):
        np.testing.assert_allclose(found, reference, rtol=1e-5)  # float32


def test_ranges() -> None:
    """The quanta of the table, by hand."""
    factors = {("int8", False): 3, ("int8", True): 3.5, ("int12", True): 5, ("int16", False): 12, ("int16", True): 8}
    for (name, is_kernel), factor in factors.items():
        quantum = quantum_of_reals(latent_of(name), 0.3, is_kernel=is_kernel)
        assert quantum * latent_of(name).most == pytest.approx(factor * 0.3)
    assert quantum_of_reals(latent_of("int8"), 0.3, is_kernel=False, largest=30.0) * 127 == pytest.approx(1.15 * 30)
    assert quantum_of_signs(latent_of("int8"), 64) * 127 == pytest.approx(0.5)
    assert quantized(latent_of("int8"), np.array([0.6, -0.4, 99.0]), 0.5).tolist() == [1, -1, 127]


@pytest.mark.parametrize(
    ("latent", "options"),
    [
        ("int8", {"binarize": "none", "block_layers": "all", "optimizer": "sgd", "slices": "1x1"}),
        ("int12", {"binarize": "none", "block_layers": "all", "optimizer": "normalized"}),
        pytest.param("int8", {"binarize": "none", "optimizer": "normalized", "head": "learned"}, marks=pytest.mark.slow),
        pytest.param("int8", {"optimizer": "sgd"}, marks=pytest.mark.slow),
        pytest.param("int16", {"binarize": "weights", "optimizer": "adam", "order": "interleaved"}, marks=pytest.mark.slow),
    ],
)
def test_training_goes_on_to_the_same_bits(tmp_path: Path, latent: str, options: dict[str, Any]) -> None:
    artifact = artifact_of(tmp_path, latent=latent, **options)
    whole = Trainer(artifact, kernels=None).fit(X, Y, normalization=None, epochs=1)
    begun = Trainer(artifact, kernels=None)
    for count, _ in enumerate(begun.iterate(X, Y, normalization=None, epochs=1), 1):
        if count == 7:
            break
    begun.save(tmp_path / "run")
    resumed = Trainer.load(tmp_path / "run", kernels=None).fit(X, Y, normalization=None, epochs=1)
    arrays, expected = resumed.state.arrays(), whole.state.arrays()
    for name in (f"fc{number}#weight" for number in (1, 2, 3)):
        assert expected[name].dtype == latent_of(latent).dtype and (expected[name] != artifact.initial[name]).any()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    if "head" in options:
        assert expected["fc1#head"].dtype == latent_of(latent).dtype
        assert (expected["fc1#head"] != artifact.initial["fc1#head"]).any()


@pytest.mark.parametrize("latent", ["int8", *(pytest.param(name, marks=pytest.mark.slow) for name in ("int12", "int16"))])
def test_a_head_moves_by_its_gradient_in_quanta(tmp_path: Path, latent: str) -> None:
    """One step of NumPy: the mean over the batch of the error of softmax times what the head sees, by plain steps."""
    artifact = artifact_of(tmp_path, latent=latent, binarize="none", optimizer="sgd", head="learned", slices="1x1", seed=3)
    state = ModelState(artifact.manifest, artifact.initial)
    training = BlockTraining(artifact, 0, state, Runtime(threads=1))
    (x,) = training.inputs.values()
    x[...], training.labels[...] = X[:6], Y[:6]
    training.begin_turn(0)
    first = {name: array.astype(np.float64) for name, array in artifact.initial.items()}
    training.step(rate := 2.0, number := 5)
    hidden = np.maximum(X[:6] @ (first["fc1#weight"] * first["fc1#weight#quantum"]) + first["fc1#bias"], 0)
    gain = np.sqrt(2 / hidden.shape[1])
    logits = gain * hidden @ (first["fc1#head"] * first["fc1#head#quantum"])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = (shares - np.eye(4)[Y[:6]]) / 6
    change = rate * gain * hidden.T @ error / first["fc1#head#quantum"]
    key, most = zlib.crc32(b"3 fc1#head"), latent_of(latent).most
    (expected,) = move_integers(artifact.initial["fc1#head"], change.astype(np.float32), np.array(number), key=key, most=most)
    assert np.count_nonzero(expected != artifact.initial["fc1#head"]) > expected.size / 2
    # A change is known to 1e-6 of it: of these, at most some thousand quanta, one draw in a thousand goes the other way.
    assert np.abs(state.others["fc1#head"].astype(int) - expected).max() <= 1
    assert np.count_nonzero(state.others["fc1#head"] != expected) <= 1


@pytest.mark.parametrize("binarize", ["none", pytest.param("both", marks=pytest.mark.slow)])
def test_eight_bits_learn(tmp_path: Path, binarize: str) -> None:
    """The trained model has real weights, multiples of the quantum."""
    trainer = Trainer(artifact_of(tmp_path, latent="int8", binarize=binarize), kernels=None).fit(
        X, Y, normalization=None, epochs=20
    )
    accuracy = trainer.evaluate(X, Y).accuracy
    assert accuracy is not None and accuracy > 0.95  # of four classes, which real weights tell apart
    trainer.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", trainer, X)


def test_nonvolatile_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    """Weights and heads take one byte or two where real ones take four, and each has a quantum; all else is alike."""
    graph, sizes = load_model(mlp(SIZES), tmp_path), list(zip(SIZES, SIZES[1:]))
    options: dict[str, Any] = {"batch": 6, "binarize": "none", "head": "learned"}
    kept = {name: plan(graph, "1MB", latent=name, **options).nonvolatile_bytes for name in FORMATS}
    heads = [(ins, SIZES[-1]) for ins in SIZES[1:-1]]
    weights, quanta = sum(ins * outs for ins, outs in sizes + heads), 4 * len(sizes + heads)
    assert kept["float32"] - kept["int8"] == 3 * weights - quanta
    assert kept["float32"] - kept["int16"] == 2 * weights - quanta
    assert kept["int12"] == kept["int16"]  # trainers have no type of 12 bits; generated C packs them
