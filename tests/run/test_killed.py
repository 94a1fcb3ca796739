"""Training is killed at random moments; what is on the disk always loads, and resuming ends in exactly the weights of an
uninterrupted run."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer

SEED = 5
EPOCHS = 40
# In seconds, from the first checkpoint of a process on.
LONGEST_LIFE = 0.12


def train(folder: str) -> bool:
    """Go on to the end from the checkpoint, if there is one, and save after every third step."""
    x, y = blobs()
    path = Path(folder)
    is_new = not (path / "checkpoint" / "checkpoint.json").exists()
    trainer = Trainer(path / "artifact", threads=1) if is_new else Trainer.load(path, threads=1)
    if trainer.is_done:  # it was killed behind its last save; iterating would begin another round
        return True
    reports = trainer.iterate(x, y, normalization=None, epochs=EPOCHS) if is_new else trainer.iterate(x, y, normalization=None)
    for count, _ in enumerate(reports):
        if count % 3 == 0:
            trainer.save(path)
    trainer.save(path)
    return True


def kill_while_training(folder: Path, rng: random.Random) -> bool:
    """Let a process go on with the training, and kill it a random time after its first checkpoint; whether that was in time."""
    process = multiprocessing.get_context("spawn").Process(target=train, args=(str(folder),))
    process.start()
    assert process.pid is not None
    marker = folder / "checkpoint" / "checkpoint.json"
    before = marker.stat().st_mtime_ns if marker.exists() else 0
    while process.is_alive() and (marker.stat().st_mtime_ns if marker.exists() else 0) == before:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, LONGEST_LIFE))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("num_kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kills_end_in_the_weights_of_an_uninterrupted_run(num_kills: int, tmp_path: Path) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    artifact = artifact_of(tmp_path, optimizer="momentum")
    expected = Trainer(artifact, threads=1).fit(*blobs(), normalization=None, epochs=EPOCHS).state.arrays()
    kills, is_trained = 0, True
    while kills < num_kills or not is_trained:
        if is_trained:  # a fast machine trains several times between so many kills
            folder = tmp_path / f"after-{kills}"
            artifact.save(folder / "artifact")
        is_trained = not kill_while_training(folder, rng) if kills < num_kills else train(str(folder))
        trainer = Trainer.load(folder)  # whatever the moment, there is a whole checkpoint
        if is_trained:
            assert trainer.is_done
            for name, array in trainer.state.arrays().items():
                np.testing.assert_array_equal(array, expected[name], err_msg=f"{name}, {folder.name}")
        else:
            kills += 1
