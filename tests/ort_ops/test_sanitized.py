"""Kernels read and write nothing beyond their tensors, whatever sizes a model gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.c99.kernel_library import SANITIZE
from tests.optional_tools import required_tool
from tests.ort.driver import ROOT
from tests.ort_ops.conftest import compile_library


def test_wrong_sizes_are_refused_before_memory_is_touched(tmp_path: Path) -> None:
    library = compile_library(tmp_path, "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_C_FLAGS={' '.join(SANITIZE)}")
    names = ("libasan.so", "libubsan.so", "libstdc++.so")  # the last one for the exceptions that onnxruntime throws
    paths = [subprocess.check_output([required_tool("gcc"), f"-print-file-name={name}"], text=True).strip() for name in names]
    environment = {**os.environ, "LD_PRELOAD": " ".join(paths), "ASAN_OPTIONS": "detect_leaks=0"}  # Python's own leaks
    command = [sys.executable, "-m", "tests.ort_ops.offer_wrong_sizes", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    taken, refused = map(int, done.stdout.split())
    assert refused > taken > 0
