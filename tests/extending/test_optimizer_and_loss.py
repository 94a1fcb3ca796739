"""An optimizer and a loss that are registered from outside plan and train: no file of the package knows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.extending.huber import HUBER, HUBER_LOSS
from tests.extending.lion import LION, LION_UPDATE
from tests.small_models import load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.losses import registered_loss
from tinyfoa_rt.ir.optimizers import registered_optimizer
from tinyfoa_rt.operators import registered
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

Array = NDArray[Any]


@pytest.fixture
def added() -> Iterator[None]:
    with registered_optimizer(LION), registered_loss(HUBER), registered(LION_UPDATE, HUBER_LOSS):
        yield


def artifact_of(folder: Path, **options: Any) -> Artifact:
    """A perceptron 8-16-12-4, all of it real, whose last layer has the loss of the model."""
    graph = load_model(mlp(), folder)
    return build(graph, plan(graph, "1MB", **{"batch": 5, "binarize": "none", **options}))


def data() -> tuple[Array, Array]:
    """Numbers that a linear map of the samples gives; some are far away."""
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (40, 8)).astype(np.float32)
    return x, (2 * x @ rng.normal(0, 1, (8, 4))).astype(np.float32)


def dense(trainer: Trainer, layer: str) -> tuple[Array, Array]:
    arrays = trainer.state.arrays()
    return arrays[f"{layer}#weight"].astype(np.float64), arrays[f"{layer}#bias"].astype(np.float64)


def scores_of(trainer: Trainer, x: Array) -> tuple[Array, Array]:
    """What the last layer reads and gives, in float64."""
    hidden: Array = x.astype(np.float64)
    for layer in ("fc1", "fc2"):
        weight, bias = dense(trainer, layer)
        hidden = np.maximum(hidden @ weight + bias, 0)
    weight, bias = dense(trainer, "fc3")
    return hidden, hidden @ weight + bias


def test_a_step_of_both_is_that_of_numpy(added: None, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, optimizer="lion", loss="huber", slices="1x1")
    trainer = Trainer(artifact, threads=1)
    x, y = data()
    hidden, scores = scores_of(trainer, x)
    weight, bias = dense(trainer, "fc3")
    # One batch of which the order does not matter; the first mean is 0, so that the step has the sign of the gradient.
    report = next(iter(trainer.iterate(x[:5], y[:5], normalization=None, epochs=1, rate_schedule="constant", blocks=("fc3",))))
    error = scores[:5] - y[:5]
    grad = np.clip(error, -1, 1) / error.size
    rate = trainer.progress.rates["fc3"]
    assert report.loss == pytest.approx(HUBER.measure(scores[:5].astype(np.float32), y[:5]), rel=1e-5)
    moved, moved_bias = dense(trainer, "fc3")
    # The sum of weight and change is rounded to float32.
    np.testing.assert_allclose(moved - weight, -rate * np.sign(hidden[:5].T @ grad), atol=1e-7)
    np.testing.assert_allclose(moved_bias - bias, -rate * np.sign(grad.sum(axis=0)), atol=1e-7)
    mean = trainer.state.arrays()["fc3#weight#mean"]
    # Sums of 5 products in float32.
    np.testing.assert_allclose(mean, 0.01 * hidden[:5].T @ grad, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("slices", ["1x1", "2x2"])
def test_they_train(added: None, slices: str, tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path, optimizer="lion", loss="huber", slices=slices), threads=1)
    x, y = data()
    before = trainer.evaluate(x, y).loss
    trainer.fit(x, y, normalization=None, epochs=30, rate=50)  # steps of a fixed length have far to go in 240 of them
    after = trainer.evaluate(x, y)
    assert after.loss < 0.9 * before and after.accuracy is None
    assert after.loss == pytest.approx(HUBER.measure(trainer.scores(x), y), rel=1e-6)


def test_a_checkpoint_goes_on_to_the_same_bits(added: None, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, optimizer="lion", loss="huber", slices="2x1")
    x, y = data()
    straight = Trainer(artifact, threads=1).fit(x, y, normalization=None, epochs=3)
    broken = Trainer(artifact, threads=1)
    for count, _ in enumerate(broken.iterate(x, y, normalization=None, epochs=3)):
        if count == 17:
            break
    broken.save(tmp_path / "run")
    resumed = Trainer.load(tmp_path / "run", threads=1).fit(x, y, normalization=None)
    for name, array in straight.state.arrays().items():
        np.testing.assert_array_equal(resumed.state.arrays()[name], array, err_msg=name)


def test_without_them_their_names_are_refused(tmp_path: Path) -> None:
    for option in ({"optimizer": "lion"}, {"loss": "huber"}):
        with pytest.raises(UsageError, match=r"--(optimizer lion|loss huber): is not known"):
            artifact_of(tmp_path, **option)


def test_without_kernels_generated_c_refuses_them(added: None, tmp_path: Path) -> None:
    for option, operator in (({"optimizer": "lion"}, "LionUpdate"), ({"loss": "huber"}, "HuberLoss")):
        graph = load_model(mlp(), tmp_path)
        with pytest.raises(UnsupportedError, match=f"{operator} has no C99 kernel"):
            plan(graph, "1MB", target="c99", nonvolatile="unlimited", batch=5, binarize="none", **option)
