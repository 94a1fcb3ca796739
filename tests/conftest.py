"""Fixtures that find models, and the settings of hypothesis."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, settings

_SHARED = Path(__file__).resolve().parents[2] / "shared"

# Derandomized: the same examples on every machine; a failure prints the blob that repeats it.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("repeatable")


def pytest_report_header() -> str:
    return "seeds: fixed in every test; hypothesis is derandomized"


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of trained MLPerf Tiny models."""
    return _required(_SHARED / "models", "the MLPerf Tiny models")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets."""
    return _required(_SHARED / "data", "the data sets")


@pytest.fixture(scope="session")
def light_models() -> list[Path]:
    """The nine networks without weights inside the onnx package."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    paths = sorted(folder.glob("light_*.onnx"))
    assert len(paths) == 9
    return paths


def _required(path: Path, what: str) -> Path:
    if not path.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{what} are missing, and CI must have them")
        pytest.skip(f"{what} are not here (looked beside the checkout, in shared/{path.name})")
    return path
