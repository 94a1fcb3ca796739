"""Weights of classes: steps against a NumPy oracle and against longer steps, what balances a data set, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.run.trained_models import arrays_of, artifact_of, assert_equal_weights, blobs
from tests.small_models import conv_net, load_model, mlp
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.class_weights import balanced_class_weights, parse_class_weights
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.run import Trainer

WEIGHTS = "0.25,1,2.5,4"


def test_a_step_is_that_of_the_weighted_loss(tmp_path: Path) -> None:
    """A classifier alone: L = sum_n w_y(n) (-log p_y(n)) / N, and W moves by the rate times the sum of w (p - y) x / N."""
    trainer = Trainer(artifact_of(tmp_path, sizes=(12, 4), class_weights=WEIGHTS, schedule="full", optimizer="sgd"))
    (layer,) = trainer.artifact.blocks[0].layers
    weight, bias = (trainer.artifact.initial[f"{layer.name}#{role}"].astype(float) for role in ("weight", "bias"))
    x, y = blobs(6)
    loss = trainer.partial_fit(x, y)
    rate = trainer.progress.rates[trainer.artifact.blocks[0].name]
    scores = x @ weight + bias
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    factors = np.array(parse_class_weights(WEIGHTS))[y] / len(y)
    assert loss == pytest.approx(-factors @ np.log(p[np.arange(6), y]), rel=1e-5)
    error = (p - np.eye(4)[y]) * factors[:, None]
    # Sums of six float32 products, of numbers up to 10.
    np.testing.assert_allclose(arrays_of(trainer)[f"{layer.name}#weight"], weight - rate * x.T @ error, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(arrays_of(trainer)[f"{layer.name}#bias"], bias - rate * error.sum(axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"binarize": "none", "head": "kaiming"}, marks=pytest.mark.slow),
        pytest.param({"block_layers": "all", "binarize": "none", "optimizer": "sgd"}, marks=pytest.mark.slow),
    ],
)
def test_weights_of_two_are_steps_of_twice_the_length(options: dict[str, Any], tmp_path: Path) -> None:
    """In all blocks, behind heads and through layers: powers of two round nothing, so that weights are the same to the bit."""
    x, y = blobs(20)
    options = {"batch": 4, **options}
    longer = Trainer(artifact_of(tmp_path, **options)).fit(x, y, normalization=None, epochs=1, rate=0.25)
    weighted = Trainer(artifact_of(tmp_path, class_weights="2,2,2,2", **options)).fit(
        x, y, normalization=None, epochs=1, rate=0.125
    )
    found = {name: array for name, array in arrays_of(weighted).items() if not name.endswith("#class_weights")}
    assert len(found) < len(arrays_of(weighted))
    assert_equal_weights(found, arrays_of(longer))
    assert any(not np.array_equal(array, weighted.artifact.initial[name]) for name, array in found.items() if "weight" in name)


@pytest.mark.slow
def test_a_class_without_weight_to_speak_of_is_not_learnt(tmp_path: Path) -> None:
    x, y = blobs(240)
    trainer = Trainer(artifact_of(tmp_path, class_weights="1,1,1e-6,1")).fit(x, y, normalization=None, epochs=3)
    assert np.mean(trainer.predict(x)[y == 2] == 2) == 0
    assert np.mean(trainer.predict(x)[y != 2] == y[y != 2]) > 0.9


def test_balanced_weights_have_a_mean_of_one_over_the_samples(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(3), (70, 20, 10))
    factors = np.array(parse_class_weights(balanced_class_weights(labels, 4)))
    counts = np.array([70, 20, 10])
    assert factors[:3] @ counts == pytest.approx(100, rel=1e-5)  # written with six digits
    np.testing.assert_allclose(factors[:3] * counts, 100 / 3, rtol=1e-5)
    assert factors[3] == 1  # no sample has this class
    planned = plan(load_model(mlp((12, 16, 4)), tmp_path), "1MB", labels=labels, class_weights="balanced", batch=6)
    assert planned.options.class_weights == balanced_class_weights(labels, 4)


def test_a_plan_counts_the_weights_once_a_block(tmp_path: Path) -> None:
    """Four numbers of float32 where the storage is, so that a step's RAM is that of one without; on c99 they are constants."""
    graph = load_model(mlp((12, 16, 4)), tmp_path)
    for target, place in (("ort-cpu", "storage_bytes"), ("c99", "constants_bytes")):
        planning: dict[str, Any] = {"target": target, "nonvolatile": "unlimited", "batch": 2}
        without, weighted = (plan(graph, "1MB", class_weights=weights, **planning) for weights in ("none", WEIGHTS))
        taken, more = (getattr(each.nonvolatile_parts, place) for each in (without, weighted))
        assert more - taken == len(weighted.blocks) * 4 * 4
        if target == "c99":
            assert weighted.peak_bytes == without.peak_bytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": "balanced"}, "balanced: follows from the data, which are not known here"),
        ({"class_weights": "1,2"}, "--class-weights 1,2: has 2 numbers, and the model 4 classes"),
        ({"class_weights": "1,2,0,4"}, "is no list of numbers above 0"),
        ({"class_weights": "rare"}, "is no list of numbers above 0 and up to 1,000,000"),
        ({"class_weights": WEIGHTS, "loss": "mean-squared-error"}, "the loss is mean-squared-error; leave it out"),
        ({"class_weights": "balanced", "loss": "binary-cross-entropy"}, "the loss is binary-cross-entropy"),
        ({"class_weights": WEIGHTS, "method": "drtp"}, "all learn from the loss, and drtp is none"),
    ],
)
def test_what_has_no_weights_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        plan(load_model(mlp((12, 16, 4)), tmp_path), "1MB", **options)


def test_convolutions_take_them_too(tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    planned = plan(graph, "1MB", batch=2, class_weights=",".join("1" * graph.values[graph.outputs[0]].size))
    assert all(any(buffer.name.endswith("class_weights") for buffer in block.buffers) for block in planned.blocks)
