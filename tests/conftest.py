"""Fixtures that find models, and the settings of hypothesis."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, settings

from tests.emit.old_onnxruntime import ENVIRONMENT
from tests.optional_tools import skip_without, summary

_SHARED = Path(__file__).resolve().parents[2] / "shared"

# Derandomized: the same examples on every machine; a failure prints the blob that repeats it.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("repeatable")


def pytest_report_header() -> str:
    return "seeds: fixed in every test; hypothesis is derandomized"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in the last line, behind pytest's own, what was skipped and how to get what it wants."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter is not None else []
    line = summary(str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple))
    if reporter is not None and line:
        reporter.write_line(line)


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of trained MLPerf Tiny models."""
    return _required(_SHARED / "models")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets."""
    return _required(_SHARED / "data")


@pytest.fixture(scope="session")
def light_models() -> list[Path]:
    """The nine networks without weights inside the onnx package."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    paths = sorted(folder.glob("light_*.onnx"))
    assert len(paths) == 9
    return paths


def _required(path: Path) -> Path:
    if not path.is_dir():
        skip_without(f"shared/{path.name}", "a copy of the folder beside the checkout")
    return path


@pytest.fixture(scope="session")
def old_python() -> Path:
    """Python of an environment with onnxruntime 1.19.2."""
    if not (ENVIRONMENT / "ready").exists():
        if sys.version_info >= (3, 13):
            pytest.skip("onnxruntime 1.19.2 has no wheels for Python 3.13 and newer")
        skip_without("onnxruntime 1.19.2", "make .venv-ort119/ready")
    return ENVIRONMENT / "bin" / "python"
