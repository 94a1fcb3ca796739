"""The counting allocator, which processes of these tests preload."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.optional_tools import required_tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its library."""
    library = tmp_path_factory.mktemp("counter") / "count_aligned.so"
    source = ROOT / "tools" / "bench" / "count_aligned.c"
    subprocess.run([required_tool("gcc"), "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library
