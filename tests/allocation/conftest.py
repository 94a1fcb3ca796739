"""The counting allocator, which processes of these tests preload."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.optional_tools import required_tool
from tinyfoa_rt.run.counted_memory import compile_counter


@pytest.fixture(scope="session")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its library."""
    library = compile_counter(tmp_path_factory.mktemp("counter")) if required_tool("gcc") else None
    assert library is not None
    return library
