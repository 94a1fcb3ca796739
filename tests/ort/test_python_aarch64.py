"""The wheel on AArch64, emulated: the command line trains, to what it trains to here."""

from __future__ import annotations

import filecmp
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tinyfoa_rt
from tests.optional_tools import required_tool, skip_without
from tests.ort.driver import PYTHON_AARCH64
from tests.run.trained_models import blobs
from tests.small_models import mlp
from tinyfoa_rt.cli import main
from tinyfoa_rt.run import Trainer


def emulated(*arguments: str) -> str:
    """What the installed command says there."""
    if not _has_this_wheel():
        skip_without("the wheel of these sources on Python for AArch64", "tools/fetch_python_aarch64.sh")
    root = PYTHON_AARCH64 / "sysroot"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENBLAS", "LD_"))},
        "QEMU_CPU": "cortex-a72",
        "PYTHONHOME": str(root / "usr"),
        "PYTHONPATH": str(PYTHON_AARCH64 / "site"),
    }
    command = [required_tool("qemu-aarch64"), "-L", str(root), str(root / "usr" / "bin" / "python3.11"), "-m", "tinyfoa_rt"]
    given = [*command, *arguments]
    done = subprocess.run(given, capture_output=True, text=True, env=environment, check=False, timeout=600, cwd=PYTHON_AARCH64)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _has_this_wheel() -> bool:
    """Whether the package that is installed there is this one; an older wheel writes what these sources need not read."""
    here, there = Path(tinyfoa_rt.__file__).parent, PYTHON_AARCH64 / "site" / "tinyfoa_rt"
    names = [str(path.relative_to(here)) for path in here.rglob("*.py")]
    return filecmp.cmpfiles(here, there, names, shallow=False)[0] == names


def test_trains_as_here(tmp_path: Path) -> None:
    """Two epochs a block from the model and a data file, from the command line; then both states are compared."""
    import onnx

    onnx.save(mlp((12, 16, 16, 4)), tmp_path / "model.onnx")
    x, y = blobs(240)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:120], y_test=y[:120])
    given = ["train", str(tmp_path / "model.onnx"), "--data", str(tmp_path / "data.npz"), "--budget", "16KB", "--epochs", "2"]
    emulated(*given, "--threads", "1", "-o", str(tmp_path / "there"))
    with pytest.raises(SystemExit) as end:
        main([*given, "--threads", "1", "-o", str(tmp_path / "here")])
    assert not end.value.code
    here, there = Trainer.load(tmp_path / "here"), Trainer.load(tmp_path / "there")
    assert here.artifact.id == there.artifact.id  # the same plan and the same graphs, to the byte
    assert here.is_done and there.is_done
    weights = {name: array for name, array in here.state.arrays().items() if name.endswith("#weight")}
    differ = sum(int(((array >= 0) != (there.state.arrays()[name] >= 0)).sum()) for name, array in weights.items())
    assert differ <= 1e-4 * sum(array.size for array in weights.values())
    for name, array in weights.items():
        # float32 sums in another order.
        np.testing.assert_allclose(there.state.arrays()[name], array, rtol=1e-3, atol=1e-4, err_msg=name)
    assert "accuracy" in emulated("eval", str(tmp_path / "there"), "--data", str(tmp_path / "data.npz"))
