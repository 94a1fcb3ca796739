"""Emitted steps beside PyTorch's autograd: every gradient rule, and all geometries of convolutions and pools.

``make .venv-torch/ready`` makes the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.emit.autograd_jobs import Job, autograd_cases, differentiated, expected_gradients, job_of, own_gradients

Array = NDArray[Any]
CASES = dict(autograd_cases())

# Both sides are in float64, but HardSwishGrad writes 1/6 as float32, which is off by 3e-8 of gradients up to 1.
RELATIVE, ABSOLUTE = 1e-6, 5e-8


@pytest.fixture(scope="session", name="jobs")
def make_jobs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Job]:
    folder = tmp_path_factory.mktemp("models")
    return {name: job_of(case, folder) for name, case in CASES.items()}


@pytest.fixture(scope="session", name="gradients")
def differentiate(
    tmp_path_factory: pytest.TempPathFactory, torch_python: Path, jobs: Mapping[str, Job]
) -> Mapping[str, Mapping[str, Array]]:
    """By case, the loss and all gradients that PyTorch has."""
    found = differentiated(jobs.values(), tmp_path_factory.mktemp("autograd"), torch_python)
    return dict(zip(jobs, found))


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
