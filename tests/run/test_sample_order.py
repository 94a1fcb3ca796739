"""Samples drawn by their class: exact shares, orders that can be made again, and trainings that resume in them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.run.trained_models import arrays_of, artifact_of, assert_equal_weights, blobs
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.sample_order import SampleOrder

COUNTS = (64, 16, 4)
Y = np.random.default_rng(0).permutation(np.repeat(np.arange(3), COUNTS))


@pytest.mark.parametrize(("sampling", "shares"), [("sqrt", [48, 24, 12]), ("balanced", [28, 28, 28]), ("uniform", [64, 16, 4])])
def test_each_class_has_its_share_of_every_epoch(sampling: str, shares: list[int]) -> None:
    order = SampleOrder(Y, 6, (3, 1), sampling)
    epochs = [order.epoch(number) for number in range(3)]
    for rows in epochs:
        assert rows.shape == (order.num_batches, 6) == (14, 6)
        np.testing.assert_array_equal(np.bincount(Y[rows.ravel()]), shares)
        times = np.bincount(rows.ravel(), minlength=len(Y))
        # A sample is taken as often as its weight says, rounded up or down.
        assert np.all(np.abs(times - np.array(shares)[Y] / np.array(COUNTS)[Y]) < 1)
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(epochs[2], SampleOrder(Y, 6, (3, 1), sampling).epoch(2))


def test_classes_are_mixed_in_an_epoch() -> None:
    rows = SampleOrder(Y, 42, (0, 0), "balanced").epoch(0)
    # Of 84 drawn samples 28 are of each class. A half of them has 14 +- 2.2 of one by chance, and 6 is far from likely.
    assert np.abs(np.bincount(Y[rows[0]], minlength=3) - 14).max() <= 6


def test_shares_that_are_no_whole_numbers_are_rounded_up_or_down() -> None:
    y = np.repeat(np.arange(3), (50, 7, 3))
    share = 60 * np.sqrt((50, 7, 3)) / np.sqrt((50, 7, 3)).sum()
    for number in range(20):
        assert np.all(np.abs(np.bincount(y[SampleOrder(y, 60, (0,), "sqrt").epoch(number)[0]]) - share) < 1)


def test_one_output_of_0_and_1_has_two_classes() -> None:
    labels = np.repeat(np.array([[0.0], [1.0]], np.float32), (36, 4), axis=0)
    rows = SampleOrder(labels, 10, (0,), "balanced").epoch(0)
    assert labels[rows.ravel()].sum() == 20


@pytest.mark.parametrize("order", ["layerwise", pytest.param("interleaved", marks=pytest.mark.slow)])
def test_a_resumed_training_goes_on_to_the_same_bits(order: str, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, order=order)
    x, y = blobs(60)
    y[y > 1] = 0
    straight = Trainer(artifact).fit(x, y, normalization=None, epochs=2, sampling="sqrt")
    stopped = Trainer(artifact)
    list(islice(stopped.iterate(x, y, normalization=None, epochs=2, sampling="sqrt"), 13))
    stopped.save(tmp_path / "run")
    resumed = Trainer.load(tmp_path / "run").fit(x, y, normalization=None, epochs=2, sampling="sqrt")
    assert_equal_weights(arrays_of(resumed), arrays_of(straight))


def test_statistics_are_measured_on_drawn_samples(tmp_path: Path) -> None:
    """The rate of the first block follows from mean x^2 of what the order gives: here a rare class has large samples."""
    x = np.repeat(np.array([[1.0], [3.0]], np.float32), (108, 12), axis=0) * np.ones((1, 12), np.float32)
    y = np.repeat(np.arange(2), (108, 12))
    artifact = artifact_of(tmp_path)
    law, found = artifact.blocks[0].rate, {}
    for sampling in ("uniform", "balanced"):
        trainer = Trainer(artifact)
        next(trainer.iterate(x, y, normalization=None, epochs=1, sampling=sampling))
        found[sampling] = trainer.progress.rates[artifact.blocks[0].name]
    # 83 batches of 6 from 20: the shares of large samples are those of an epoch up to 3 batches, 0.9 % of the mean.
    assert found["uniform"] == pytest.approx(law.at(0.9 * 1 + 0.1 * 9), rel=0.03)
    assert found["balanced"] == pytest.approx(law.at(0.5 * 1 + 0.5 * 9), rel=0.03)


@pytest.mark.parametrize(("loss", "outputs"), [("mean-squared-error", 1), ("binary-cross-entropy", 4)])
def test_labels_that_are_no_classes_are_refused_by_the_loss(loss: str, outputs: int, tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path, sizes=(12, 16, outputs), loss=loss))
    x, y = np.ones((12, 12), np.float32), np.ones((12, outputs), np.float32)
    with pytest.raises(UsageError, match=f"--sampling sqrt: needs one class a sample, and the loss is {loss}"):
        trainer.iterate(x, y, normalization=None, sampling="sqrt")
    assert trainer.progress.data is None


def test_an_unknown_way_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--sampling rare: is not known; use uniform, sqrt, balanced"):
        Trainer(artifact_of(tmp_path)).fit(*blobs(), sampling="rare")
