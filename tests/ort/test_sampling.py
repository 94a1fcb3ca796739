"""The C++ trainer draws samples by their class in the shares of Python's."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.ort.driver import Driver
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer

# Samples of a class are alike, so that the mean loss of an epoch says how many there were of each.
Y = np.random.default_rng(0).permutation(np.repeat(np.arange(3), (64, 16, 4)))
X = np.random.default_rng(1).normal(0, 2, (3, 12)).astype(np.float32)[Y]
STEPS = len(Y) // 6


@pytest.mark.parametrize("sampling", ["sqrt", "balanced"])
def test_an_epoch_has_the_same_share_of_each_class(sampling: str, driver: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, binarize="none")
    artifact.save(tmp_path / "artifact")

    def python(sampling: str) -> list[float]:
        steps = Trainer(artifact).iterate(X, Y, normalization=None, epochs=1, rate=1e-6, sampling=sampling)
        return [report.loss for report in islice(steps, STEPS)]

    lines = driver.run(tmp_path / "artifact", X, Y, f"settings:1:1e-6:0::{sampling}", f"fit:{STEPS}")
    found = [line["loss"] for line in lines]
    # At this rate no loss moves by 1e-5, and a sample of another class would change the mean by 1e-2.
    assert np.mean(found) == pytest.approx(np.mean(python(sampling)), rel=1e-4)
    assert np.mean(found) != pytest.approx(np.mean(python("uniform")), rel=1e-2)
    assert np.std(found) > 0.01  # classes are mixed by chance: losses of batches differ


def test_a_training_that_was_stopped_goes_on_to_the_same_losses(driver: Driver, tmp_path: Path) -> None:
    x, y = blobs(120)
    y[y > 1] = 0
    artifact_of(tmp_path).save(tmp_path / "artifact")
    settings = "settings:2:1:0::sqrt"
    straight = driver.run(tmp_path / "artifact", x, y, settings, "fit")
    stopped = driver.run(tmp_path / "artifact", x, y, settings, "fit:27", f"save:{tmp_path / 'run'}")
    rest = driver.run(tmp_path / "run", x, y, "--resume", "fit")
    assert [line["loss"] for line in stopped + rest] == [line["loss"] for line in straight]


def test_labels_that_are_no_classes_and_unknown_ways_are_refused(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, sizes=(12, 16, 1), loss="mean-squared-error").save(tmp_path / "artifact")
    x, y = np.ones((12, 12), np.float32), np.ones((12, 1), np.float32)
    lines = driver.run(tmp_path / "artifact", x, y, "settings:1:1:0::sqrt", "settings:1:1:0::rare")
    assert [line["status"] for line in lines] == [2, 2]
    assert "sampling sqrt: needs one class a sample, and the loss is mean-squared-error" in lines[0]["message"]
    assert "sampling rare: is not known; use uniform, sqrt or balanced" in lines[1]["message"]
