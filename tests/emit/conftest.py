"""Fixtures that tests of emitted steps share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.optional_tools import skip_without

_ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-torch"


@pytest.fixture(scope="session", name="torch_python")
def find_torch_python() -> Path:
    """Python of an environment with torch."""
    if not (_ENVIRONMENT / "ready").exists():
        skip_without("torch", "make .venv-torch/ready")
    return _ENVIRONMENT / "bin" / "python"
