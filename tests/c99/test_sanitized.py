"""The tests of kernels that are called from Python once more, with kernels that check every access and every operation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.c99.kernel_library import SANITIZED
from tests.optional_tools import required_tool

_HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("tested", ["forward_kernels", "forward_elementwise", "packed_kernels", "conv_kernels"])
def test_under_sanitizers(tested: str) -> None:
    gcc = required_tool("gcc")
    find = [gcc, "-print-file-name=libasan.so"]
    runtime = subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip()
    # The runtime must be there before Python asks for memory: then it stands guard around NumPy's arrays. Python itself leaks.
    environment = {**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", SANITIZED: "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "gcc", str(_HERE / f"test_{tested}.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
