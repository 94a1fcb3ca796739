"""On AArch64, emulated: the same 200 steps, and a run that crosses from Python to it and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ort.driver import Driver
from tests.ort.trajectories import LOSS_TOLERANCE, assert_same, commands, in_python
from tests.run.picture_models import X as PICTURES
from tests.run.picture_models import Y as LABELS
from tests.run.picture_models import local_artifact
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer

X, Y = blobs(600)


# Not Adam: it divides by the roots of small numbers, and so tells roundings apart that differ between processors.
@pytest.mark.parametrize("options", [{}, {"optimizer": "momentum"}, {"schedule": "full"}], ids=["plain", "momentum", "full"])
def test_200_steps_agree_with_python(options: dict[str, Any], aarch64: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, **options)
    artifact.save(tmp_path / "artifact")
    python, expected = in_python(artifact, X, Y, 201)
    losses = aarch64.steps(tmp_path / "artifact", X, Y, *commands(3, 201), f"save:{tmp_path / 'saved'}")
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


def test_locally_connected_layers(aarch64: Driver, tmp_path: Path) -> None:
    artifact = local_artifact(tmp_path)
    artifact.save(tmp_path / "artifact")
    _, expected = in_python(artifact, PICTURES, LABELS, 30)
    losses = aarch64.steps(tmp_path / "artifact", PICTURES, LABELS, *commands(3, 30))
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)


def test_from_python_to_aarch64_and_back(aarch64: Driver, tmp_path: Path) -> None:
    """Block 0 is trained in Python, block 1 there, block 2 in Python: as if all were Python's."""
    artifact = artifact_of(tmp_path)
    whole, expected = in_python(artifact, X, Y, 90)
    begun = Trainer(artifact)
    losses = [begun.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 180, 6)]
    begun.next_block()
    begun.save(tmp_path / "run")
    losses += aarch64.steps(tmp_path / "run", X, Y, "--resume", "steps:0:30", "next", f"save:{tmp_path / 'run'}")
    ended = Trainer.load(tmp_path / "run")
    losses += [ended.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 180, 6)]
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    ended.save(tmp_path / "run")
    assert_same(whole, tmp_path / "run")


def test_the_budget_holds_and_is_the_same(aarch64: Driver, driver: Driver, tmp_path: Path) -> None:
    """What a step allocates does not depend on the processor; one byte less ends it, and the state is whole."""
    artifact_of(tmp_path).save(tmp_path / "artifact")
    words = ("--threads", "1", "--budget", "1000000", "steps:0:3")
    here = [line["bytes"] for line in driver.run(tmp_path / "artifact", X, Y, *words)]
    there = [line["bytes"] for line in aarch64.run(tmp_path / "artifact", X, Y, *words)]
    assert here == there
    (failure,) = aarch64.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", str(there[0] - 1), "steps:0:1")
    assert failure["status"] == 3
