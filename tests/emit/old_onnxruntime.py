"""Models on onnxruntime 1.19.2, in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-ort119"


def run_on_old(python: Path, folder: Path, *library: str) -> None:
    """Run the models there; a failure shows what onnxruntime said."""
    command = [str(python), str(Path(__file__).with_name("run_models.py")), str(folder), *library]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1.19.2"


def read_outputs(folder: Path, names: list[str]) -> dict[str, Array]:
    outputs = {}
    for name in names:
        with np.load(f"{folder / name}.outputs.npz") as found:
            outputs.update({f"{name}, {output}": found[output] for output in found})
        Path(f"{folder / name}.outputs.npz").unlink()
    return outputs
