"""What bodies of gradients with respect to inputs take on onnxruntime is what is counted of them, to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_gradients_of_inputs_take_what_is_counted(counter: Path) -> None:
    command = [sys.executable, "-m", "tests.allocation.count_bodies", str(counter)]
    environment = {**os.environ, "LD_PRELOAD": str(counter), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if line["measured"] > 1000]  # of the smallest cases there may be nothing to count
    assert not [line for line in lines if line["planned"] != line["measured"]]
