"""train, build and eval with validation samples, as a user runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.cli.run_cli import run
from tests.run.trained_models import blobs
from tests.small_models import mlp
from tinyfoa_rt.run import Trainer

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A model, data.npz, and other.npz to validate with."""
    onnx.save(mlp((12, 16, 16, 4)), tmp_path / "small.onnx")
    for name, seed in (("data", 0), ("other", 2)):
        (x, y), (x_test, y_test) = blobs(60, seed=seed), blobs(30, seed=seed + 1)
        np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return tmp_path


def train(data: Path, source: str, *options: str) -> Any:
    return run(["train", str(data / source), "--data", str(data / "data.npz"), "-o", str(data / "out"), *options])


def test_the_model_ends_at_the_best_block_and_says_so(data: Path, capsys: Printed) -> None:
    plan, artifact = str(data / "plan.json"), str(data / "artifact")
    assert run(["plan", str(data / "small.onnx"), "--budget", "64KB", "--batch", "6", "-o", plan]) == 0
    assert run(["build", str(data / "small.onnx"), "--plan", plan, "--exits", "-o", artifact]) == 0
    capsys.readouterr()
    options = ("--block", "fc1", "--epochs", "4", "--validation", "0.25", "--stop", "best")  # the others stay untrained
    assert train(data, "artifact", *options) == 0
    printed = capsys.readouterr().out
    said = r"^validation: fc1 [\d.]+%, fc2 [\d.]+%, fc3 [\d.]+%\nblock fc1 \([\d.]+%\) predicts; blocks after it are left out\n"
    found = re.search(said, printed, re.MULTILINE)
    assert found
    assert run(["eval", str(data / "out"), "--data", str(data / "data.npz")]) == 0
    assert found[0] in capsys.readouterr().out
    assert Trainer.load(data / "out").progress.exit == "fc1"


def test_data_of_their_own_are_given_again_to_go_on(data: Path, capsys: Printed) -> None:
    other = ("--validation", str(data / "other.npz"))
    assert train(data, "small.onnx", "--budget", "64KB", "--batch", "6", "--epochs", "1", *other) == 0
    assert "\nvalidation: fc1 " in capsys.readouterr().out
    assert train(data, "small.onnx", "--resume", *other) == 0
    assert train(data, "small.onnx", "--resume") == 4
    assert "data: are not those that the training was begun with" in capsys.readouterr().err
    assert train(data, "small.onnx", "--resume", "--validation", "0.1") == 2
    assert "--validation: cannot be changed by --resume" in capsys.readouterr().err
