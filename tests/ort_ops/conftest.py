"""The library of kernels, compiled once a session as `make kernels` does."""

from __future__ import annotations

import fcntl
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.optional_tools import required_tool, skip_without
from tests.ort.driver import HEADERS, ROOT

SOURCE = ROOT / "targets" / "ort" / "ops"
LIBRARY = "libtinyfoa_ops.so"
# For 64-bit ARM.
CROSS = ("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", "-DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc")


def compile_library(folder: Path, *options: str) -> Path:
    """Compile the library with every warning an error; return its path."""
    if not (HEADERS / "onnxruntime_c_api.h").exists():
        skip_without("onnxruntime's headers", "tools/fetch_ort_headers.sh")
    configure = [required_tool("cmake"), "-S", str(SOURCE), "-B", str(folder), f"-DORT_ROOT={HEADERS.parent}", *options]
    for command in (configure, ["cmake", "--build", str(folder), "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / LIBRARY


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return _library_in((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "ops")


@cache  # a fixture that several modules import runs once in each
def _library_in(folder: Path) -> Path:
    """The library in a folder that all processes of a session share: the first compiles it, and the others wait."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = folder / LIBRARY
        return known if known.exists() else compile_library(folder, "-DCMAKE_C_FLAGS=-Werror -Wpedantic -Wconversion")
