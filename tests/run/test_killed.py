"""Training is killed at random moments; what is on the disk always loads, and resuming ends in exactly the weights of an
uninterrupted run."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.artifact import Artifact

SEED = 5
EPOCHS = 40
# In seconds from the first checkpoint of a process on; all of training takes longer than 50 such lives.
LONGEST_LIFE = 0.12


def train(folder: str) -> None:
    """Go on from the checkpoint, if there is one, and save after every step."""
    x, y = blobs()
    path = Path(folder)
    is_new = not (path / "checkpoint" / "checkpoint.json").exists()
    trainer = Trainer(path / "artifact", threads=1) if is_new else Trainer.load(path, threads=1)
    reports = trainer.iterate(x, y, epochs=EPOCHS) if is_new else trainer.iterate(x, y)
    for count, _ in enumerate(reports):
        if count % 3 == 0:
            trainer.save(path)
    trainer.save(path)


@pytest.mark.parametrize("num_kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_kills_end_in_the_weights_of_an_uninterrupted_run(num_kills: int, tmp_path: Path) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    artifact_of(tmp_path, optimizer="momentum").save(tmp_path / "artifact")
    context = multiprocessing.get_context("spawn")
    kills = 0
    while kills < num_kills:
        process = context.Process(target=train, args=(str(tmp_path),))
        process.start()
        assert process.pid is not None
        marker = tmp_path / "checkpoint" / "checkpoint.json"
        before = marker.stat().st_mtime_ns if marker.exists() else 0
        while process.is_alive() and (marker.stat().st_mtime_ns if marker.exists() else 0) == before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, LONGEST_LIFE))
        was_alive = process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        if not was_alive:
            break
        kills += 1
        Trainer.load(tmp_path)  # whatever the moment, there is a whole checkpoint
    train(str(tmp_path))
    straight = Trainer(Artifact.load(tmp_path / "artifact"), threads=1).fit(*blobs(), epochs=EPOCHS)
    for name, array in Trainer.load(tmp_path).state.arrays().items():
        np.testing.assert_array_equal(array, straight.state.arrays()[name], err_msg=name)
    assert kills == num_kills, f"training ended after {kills} kills"
