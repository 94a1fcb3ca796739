"""The library on AArch64, with its NEON kernels, emulated: the same numbers as here, to the bit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np

from tests.emit import run_models as runner
from tests.emit.old_onnxruntime import read_outputs
from tests.optional_tools import required_tool, skip_without
from tests.ort.driver import PYTHON_AARCH64
from tests.ort_ops.conftest import CROSS, compile_library
from tests.ort_ops.kernel_models import write_kernel_models


def test_kernels_give_the_same_bits_there(library: Path, tmp_path: Path) -> None:
    required_tool("aarch64-linux-gnu-gcc")
    if not (PYTHON_AARCH64 / "site" / "onnxruntime").is_dir():
        skip_without("Python for AArch64", "tools/fetch_python_aarch64.sh")
    there = compile_library(tmp_path / "build", *CROSS)
    names = write_kernel_models(tmp_path)
    runner.run_models(tmp_path, str(library))
    here = read_outputs(tmp_path, names)
    run_emulated(str(Path(runner.__file__)), str(tmp_path), str(there))
    for name, value in read_outputs(tmp_path, names).items():
        np.testing.assert_array_equal(value, here[name], err_msg=name)


def run_emulated(*arguments: str) -> None:
    """Run Python there."""
    root = PYTHON_AARCH64 / "sysroot"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENBLAS", "LD_"))},
        "QEMU_CPU": "cortex-a72",
        "PYTHONHOME": str(root / "usr"),
        "PYTHONPATH": str(PYTHON_AARCH64 / "site"),
    }
    command = [required_tool("qemu-aarch64"), "-L", str(root), str(root / "usr" / "bin" / "python3.11"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
