"""Data sets in the form that their publishers ship, written once a test run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def published(shared_data: Path) -> Iterator[Callable[[str], Path]]:
    """A function from the name of a set to the folder of its files; 400 MB, so they go when the run ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:

        def write(name: str) -> Path:
            folder = Path(root) / name
            subprocess.run([sys.executable, "-B", str(shared_data / "materialize.py"), name, str(folder)], check=True)
            return folder

        yield write
