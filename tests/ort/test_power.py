"""Kills and power cuts: the order of writes is Python's, and a killed save leaves the old checkpoint or the new one."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from tests.optional_tools import required_tool
from tests.ort.driver import Driver
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer

X, Y = blobs(60)


def test_the_order_of_writes(driver: Driver, tmp_path: Path) -> None:
    """As tinyfoa_rt/artifact/checkpoint.py, whose order is tested against all that a power cut can leave."""
    recorder, log = tmp_path / "record.so", tmp_path / "log"
    source = Path(__file__).with_name("record_files.c")
    subprocess.run([required_tool("gcc"), "-shared", "-fPIC", "-o", str(recorder), str(source), "-ldl"], check=True)
    artifact_of(tmp_path).save(tmp_path / "run")
    driver.run(tmp_path / "run", X, Y, "steps:0:1", f"save:{tmp_path / 'run'}")
    recording = replace(driver, env={"LD_PRELOAD": str(recorder), "RECORD": str(log)})
    recording.run(tmp_path / "run", X, Y, "--resume", "steps:1:2", f"save:{tmp_path / 'run'}")
    lines = [re.sub(r"\.[0-9]+$", ".PID", line) for line in log.read_text().splitlines()]
    assert lines == [
        "fsync run",  # the folder of checkpoints is there
        "fsync .state-000002.safetensors.PID",
        "rename state-000002.safetensors",
        "fsync checkpoint",
        "fsync .checkpoint.json.PID",
        "rename checkpoint.json",
        "fsync checkpoint",
        "fsync checkpoint",
        "unlink state-000001.safetensors",
        "fsync .inference.onnx.PID",
        "rename inference.onnx",
        "fsync run",
    ]


def test_a_killed_save_leaves_a_checkpoint(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "run")
    driver.run(tmp_path / "run", X, Y, "steps:0:1", f"save:{tmp_path / 'run'}")
    rng = random.Random(0)
    save = f"save:{tmp_path / 'run'}"
    words = [word for i in range(500) for word in (f"steps:{i}:{i + 1}", save)]
    data = [str(driver.folder / name) for name in ("x.f32", "y.i64")]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver.folder / "lib")}
    before = 1
    num_killed = 0
    for _ in range(12):
        command = [str(driver.binary), str(tmp_path / "run"), *data, "--resume", *words]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        time.sleep(0.1 + 0.2 * rng.random())
        process.send_signal(signal.SIGKILL)
        num_killed += process.wait() == -signal.SIGKILL
        steps = Trainer.load(tmp_path / "run").progress.total_steps
        assert steps >= before
        before = steps
    assert num_killed >= 6 and before > 12  # it was killed while it saved, not before
