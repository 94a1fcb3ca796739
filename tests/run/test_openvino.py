"""200 steps on OpenVINO's execution provider, from its own wheel, against the CPU's: the same losses and signs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.optional_tools import skip_without
from tests.ort.trajectories import LOSS_TOLERANCE, assert_same, in_python
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Artifact

ROOT = Path(__file__).resolve().parents[2]
X, Y = blobs(67 * 6)


@pytest.fixture(scope="module")
def python() -> Path:
    found = ROOT / ".venv-openvino" / "bin" / "python"
    if not found.exists():
        skip_without("onnxruntime-openvino", "make .venv-openvino/ready")
    return found


def train_there(python: Path, artifact: Artifact, folder: Path) -> dict[str, Any]:
    artifact.save(folder / "artifact")
    np.savez(folder / "data.npz", x=X, y=Y)
    program = Path(__file__).with_name("train_on_provider.py")
    words = [str(folder / "artifact"), str(folder / "data.npz"), "OpenVINOExecutionProvider", str(folder / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(python), str(program), *words], capture_output=True, text=True, env=environment, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "options",
    [{}, {"optimizer": "momentum"}, {"schedule": "full"}, {"binarize": "none"}, {"block_output": "scaled"}],
    ids=lambda options: "-".join(options.values()) or "plain",
)
def test_200_steps_agree_with_the_cpu(options: dict[str, Any], python: Path, tmp_path: Path) -> None:
    """Almost all nodes are OpenVINO's; stages of an open batch run on the CPU's provider."""
    artifact = artifact_of(tmp_path, **options)
    there = train_there(python, artifact, tmp_path)
    here, expected = in_python(artifact, X, Y, 201)
    assert there["taken"] > 0.9 * there["nodes"]
    np.testing.assert_allclose(there["losses"], expected, rtol=LOSS_TOLERANCE)
    assert_same(here, tmp_path / "out")


def test_a_rate_that_is_one_per_cent_off_would_be_seen(python: Path, tmp_path: Path) -> None:
    there = train_there(python, artifact_of(tmp_path), tmp_path)
    artifact = artifact_of(tmp_path)
    losses = in_python(artifact, X, Y, 201, rate=1.01)[1]
    assert np.abs(np.array(there["losses"]) / losses - 1).max() > 10 * LOSS_TOLERANCE
