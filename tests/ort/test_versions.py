"""One binary runs with onnxruntime 1.19.2 and with the newest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.ort.driver import Driver
from tests.run.picture_models import X as PICTURES
from tests.run.picture_models import Y as LABELS
from tests.run.picture_models import local_artifact
from tests.run.trained_models import artifact_of, blobs

X, Y = blobs(60)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "normalized"])
def test_the_same_binary_takes_the_same_steps(optimizer: str, driver: Driver, oldest: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, optimizer=optimizer).save(tmp_path / "artifact")
    words = ("--threads", "1", "steps:0:60", "next", "steps:0:60", "next", "steps:0:60", "evaluate")
    expected = driver.steps(tmp_path / "artifact", X, Y, *words)
    # Kernels of other versions add in another order.
    np.testing.assert_allclose(oldest.steps(tmp_path / "artifact", X, Y, *words), expected, rtol=1e-4)


def test_locally_connected_layers(driver: Driver, oldest: Driver, tmp_path: Path) -> None:
    local_artifact(tmp_path).save(tmp_path / "artifact")
    words = ("--threads", "1", "steps:0:20", "next", "steps:0:20")
    expected = driver.steps(tmp_path / "artifact", PICTURES, LABELS, *words)
    np.testing.assert_allclose(oldest.steps(tmp_path / "artifact", PICTURES, LABELS, *words), expected, rtol=1e-4)


def test_a_budget_holds_there_too(oldest: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    (step,) = oldest.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", "1000000", "steps:0:1")
    (failure,) = oldest.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", str(step["bytes"] - 1), "steps:0:1")
    assert failure["status"] == 3


def test_a_binary_asks_for_no_newer_symbols(drive_binary: Path) -> None:
    """It was linked against a stub: a library with versioned symbols would be asked for by its version."""
    assert not re.search(rb"VERS_1\.[0-9]+", drive_binary.read_bytes())
