"""Emitted steps beside PyTorch's autograd: every gradient rule, and all geometries of convolutions and pools.

``make .venv-torch/ready`` makes the environment.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.emit.autograd_jobs import Job, autograd_cases, job_of, of_slice
from tests.emit.float64_step import Float64Step
from tests.optional_tools import skip_without

Array = NDArray[Any]
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-torch"
CASES = dict(autograd_cases())

# Both sides are in float64, but HardSwishGrad writes 1/6 as float32, which is off by 3e-8 of gradients up to 1.
RELATIVE, ABSOLUTE = 1e-6, 5e-8


@pytest.fixture(scope="session", name="torch_python")
def find_torch_python() -> Path:
    """Python of an environment with torch."""
    if not (ENVIRONMENT / "ready").exists():
        skip_without("torch", "make .venv-torch/ready")
    return ENVIRONMENT / "bin" / "python"


@pytest.fixture(scope="session", name="jobs")
def make_jobs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Job]:
    folder = tmp_path_factory.mktemp("models")
    return {name: job_of(case, folder) for name, case in CASES.items()}


@pytest.fixture(scope="session", name="gradients")
def differentiate(
    tmp_path_factory: pytest.TempPathFactory, torch_python: Path, jobs: Mapping[str, Job]
) -> Mapping[str, Mapping[str, Array]]:
    """By case, the loss and all gradients that PyTorch has."""
    folder = tmp_path_factory.mktemp("autograd")
    (folder / "jobs.json").write_text(json.dumps([job.description for job in jobs.values()]), encoding="utf-8")
    for number, job in enumerate(jobs.values()):
        values: dict[str, Any] = dict(job.values)
        np.savez(folder / f"{number}.values.npz", **values)
    command = [str(torch_python), "-m", "tests.emit.run_autograd", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = {}
    for number, name in enumerate(jobs):
        with np.load(folder / f"{number}.gradients.npz") as arrays:
            found[name] = dict(arrays)
    return found


def own_gradients(job: Job) -> dict[str, Array]:
    """The loss of the step, and w - w_next over the rate."""
    feeds = job.drawn.feeds
    after = Float64Step(job.drawn.model).run(feeds)
    moved = {name: (feeds[name] - after[f"{name}#next"]) / float(feeds["#rate"]) for name in job.drawn.trained}
    return {"loss": after["#loss"], **moved}


def expected_gradients(job: Job, gradients: Mapping[str, Array]) -> dict[str, Array]:
    expected = {"loss": gradients["loss"]}
    for layer in job.drawn.block.layers:
        expected |= of_slice(job, layer, gradients)
    return expected


def check_equal(ours: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, RELATIVE, ABSOLUTE, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_a_step_takes_the_gradient_of_autograd(
    name: str, jobs: Mapping[str, Job], gradients: Mapping[str, Mapping[str, Array]]
) -> None:
    check_equal(own_gradients(jobs[name]), expected_gradients(jobs[name], gradients[name]))


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_that_is_one_percent_wrong_is_noticed(name: str, jobs: Mapping[str, Job]) -> None:
    right = own_gradients(jobs[name])
    for parameter, value in right.items():
        assert np.abs(value).max() > 1e-4, f"{name}: {parameter} has no gradient to compare"
        with pytest.raises(AssertionError):
            check_equal({**right, parameter: 1.01 * value}, right)
