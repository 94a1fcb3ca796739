"""build, train and eval as a user runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest

from tests.cli.run_cli import run
from tests.run.trained_models import blobs
from tests.small_models import mlp
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining

OPTIONS = ["--budget", "64KB", "--batch", "6", "--slices", "2x2"]


@pytest.fixture
def model(tmp_path: Path) -> str:
    onnx.save(mlp((12, 16, 16, 4)), tmp_path / "small.onnx")
    return str(tmp_path / "small.onnx")


@pytest.fixture
def data(tmp_path: Path) -> str:
    x, y = blobs()
    x_test, y_test = blobs(60, seed=1)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return str(tmp_path / "data.npz")


def test_train_leaves_what_the_documentation_names(
    model: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["train", model, "--data", data, "-o", str(out), *OPTIONS, "--epochs", "10"]) == 0
    printed = capsys.readouterr().out
    result = json.loads((out / "evaluation.json").read_text())
    assert f"accuracy {result['accuracy']:.2%}" in printed
    assert result["accuracy"] > 0.85
    assert ElementTree.parse(out / "curve.svg").getroot().tag.endswith("svg")
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert {row["block"] for row in rows} == {"fc1", "fc2", "fc3"}
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows})
    assert run(["eval", str(out), "--data", data, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["accuracy"] == result["accuracy"]
    assert measured["samples"] == 60


def test_a_built_plan_trains_to_what_train_gives(model: str, data: str, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    assert run(["plan", model, *OPTIONS, "-o", plan]) == 0
    assert run(["build", model, "--plan", plan, "-o", str(tmp_path / "artifact")]) == 0
    assert run(["train", str(tmp_path / "artifact"), "--data", data, "-o", str(tmp_path / "one"), "--epochs", "2"]) == 0
    assert run(["train", model, "--data", data, "-o", str(tmp_path / "other"), *OPTIONS, "--epochs", "2"]) == 0
    weights = [(tmp_path / name / "inference.onnx").read_bytes() for name in ("one", "other")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_checkpoint_and_resume_ends_in_the_same_weights(
    number: int, status: int, model: str, data: str, tmp_path: Path
) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    arguments = ["--data", data, *OPTIONS, "--epochs", "150", "--threads", "1"]
    assert run(["train", model, "-o", str(straight), *arguments]) == 0
    command = [sys.executable, "-c", "from tinyfoa_rt.cli import main; main()", "train", model, "-o", str(broken), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    metrics = broken / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size > 2000):
        time.sleep(0.01)
    assert run(["train", model, "--data", data, "-o", str(broken), "--resume"]) == 4  # another one is at it
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "go on with --resume" in err
    assert run(["train", model, "--data", data, "-o", str(broken), "--resume", "--threads", "1"]) == 0
    assert (broken / "inference.onnx").read_bytes() == (straight / "inference.onnx").read_bytes()
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert steps == sorted(set(steps))


def wrong(status: int, message: str, *arguments: str) -> Any:
    return pytest.param(list(arguments), status, message, id=message)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        wrong(2, "give a budget, for example --budget 256KB", "train", "MODEL", "--data", "DATA", "-o", "out"),
        wrong(3, "budget 100", "train", "MODEL", "--data", "DATA", "-o", "out", "--budget", "100"),
        wrong(4, "is not a file that is there", "train", "MODEL", "--data", "nowhere.npz", "-o", "out", "--budget", "64KB"),
        wrong(4, "holds no checkpoint", "train", "MODEL", "--data", "DATA", "-o", "out", "--budget", "64KB", "--resume"),
        wrong(2, "--epochs 0", "train", "MODEL", "--data", "DATA", "-o", "out", "--budget", "64KB", "--epochs", "0"),
        wrong(
            4,
            "and the model 4 classes; plan with --classes 10",
            "train",
            "MODEL",
            "--data",
            "digits",
            "-o",
            "out",
            "--budget",
            "64KB",
        ),
        wrong(4, "cannot be read", "eval", "nowhere", "--data", "DATA"),
        wrong(4, "is not JSON", "build", "MODEL", "--plan", "MODEL", "-o", "out"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], status: int, message: str, model: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"MODEL": model, "DATA": data, "out": str(tmp_path / "out")}
    assert run([names.get(argument, argument) for argument in arguments]) == status
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_folder_in_use_is_not_written_over(model: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", model, "--data", data, "-o", str(tmp_path / "out"), *OPTIONS, "--epochs", "1"]
    assert run(arguments) == 0
    assert run(arguments) == 4
    assert "give --resume" in capsys.readouterr().err


def test_a_build_takes_its_recipe_from_the_plan(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_file, artifact = tmp_path / "plan.json", tmp_path / "artifact"
    assert run(["plan", model, *OPTIONS, "--binarize", "none", "-o", str(plan_file)]) == 0
    command = ["build", model, "--plan", str(plan_file), "-o", str(artifact)]
    assert run([*command, "--binarize", "both"]) == 2
    assert "--binarize both: is not what the plan says (none); plan again with it" in capsys.readouterr().err
    assert run([*command, "--shape", "input=1x12"]) == 2
    assert not artifact.exists()
    assert run([*command, "--binarize", "none", "--head-seed", "0"]) == 0  # it says the same
    assert json.loads((artifact / "manifest.json").read_text())["binarize"] == "none"
    assert (artifact / "plan.json").read_bytes() == plan_file.read_bytes()


def test_a_plan_of_the_first_format_is_refused(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_file = tmp_path / "plan.json"
    plan_file.write_text(json.dumps({"format": "tinyfoa-plan/1", "model": "small"}))
    assert run(["build", model, "--plan", str(plan_file), "-o", str(tmp_path / "artifact")]) == 4
    assert "plan again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--optimizer", "sgd"], ["--budget", "64KB"], ["--order", "layerwise"], ["--shape", "input=1x12"]], ids=str
)
def test_training_an_artifact_refuses_options_of_planning(
    model: str, data: str, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    plan_file, artifact, out = (str(tmp_path / name) for name in ("plan.json", "artifact", "out"))
    assert run(["plan", model, *OPTIONS, "-o", plan_file]) == 0
    assert run(["build", model, "--plan", plan_file, "-o", artifact]) == 0
    capsys.readouterr()
    assert run(["train", artifact, "--data", data, "-o", out, *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tinyfoa-rt: {options[0]}: is for planning") and error.count("\n") == 1


def test_a_run_that_goes_on_keeps_its_plan_and_its_settings(
    model: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", model, "--data", data, "-o", str(tmp_path / "out")]
    assert run([*command, *OPTIONS, "--epochs", "2"]) == 0
    for options in (
        ["--epochs", "40"],
        ["--seed", "1"],
        ["--sampling", "sqrt"],
        ["--optimizer", "adam"],
        ["--normalization", "none"],
    ):
        capsys.readouterr()
        assert run([*command, "--resume", *options]) == 2
        assert f"{options[0]}: cannot be changed by --resume" in capsys.readouterr().err
    assert run([*command, "--resume", "--epochs", "2"]) == 0


@pytest.mark.parametrize(
    ("options", "normalizes"),
    [([], True), (["--train", "last:1"], False), (["--train", "last:1", "--normalization", "data"], True)],
    ids=str,
)
def test_samples_are_not_normalized_behind_frozen_blocks(
    model: str, data: str, tmp_path: Path, options: list[str], normalizes: bool
) -> None:
    out = tmp_path / "out"
    assert run(["train", model, "--data", data, "-o", str(out), *OPTIONS, "--epochs", "1", *options]) == 0
    assert (Trainer.load(out).progress.normalization is not None) == normalizes


def test_nor_are_they_where_an_artifact_has_frozen_blocks(model: str, data: str, tmp_path: Path) -> None:
    plan_file, artifact, out = (str(tmp_path / name) for name in ("plan.json", "artifact", "out"))
    assert run(["plan", model, *OPTIONS, "--train", "last:1", "-o", plan_file]) == 0
    assert run(["build", model, "--plan", plan_file, "-o", artifact]) == 0
    assert run(["train", artifact, "--data", data, "-o", out, "--epochs", "1"]) == 0
    assert Trainer.load(out).progress.normalization is None


def test_a_normalization_that_is_not_known_is_wrong_use(model: str, data: str, tmp_path: Path) -> None:
    assert run(["train", model, "--data", data, "-o", str(tmp_path / "out"), *OPTIONS, "--normalization", "mean"]) == 2


def test_an_artifact_learns_on_from_its_checkpoint(
    model: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, scratch = (str(tmp_path / name) for name in ("one", "two", "scratch"))
    x, y = blobs(90, seed=2)
    np.savez(tmp_path / "new.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    new = ["--data", str(tmp_path / "new.npz"), "--epochs", "1"]
    assert run(["train", model, "--data", data, "-o", one, *OPTIONS, "--epochs", "10"]) == 0
    assert run(["train", one, *new, "-o", two]) == 0
    assert run(["train", one, *new, "-o", scratch, "--from-scratch"]) == 0
    losses = [json.loads((Path(folder) / "evaluation.json").read_text())["loss"] for folder in (two, scratch)]
    assert losses[0] < losses[1]
    # On the samples as they were normalized, though other data have another mean.
    progress = [Trainer.load(folder).progress for folder in (one, two, scratch)]
    assert progress[1].normalization == progress[0].normalization != progress[2].normalization
    rows = [json.loads(line) for line in (Path(two) / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == progress[1].total_steps == 45
    capsys.readouterr()
    assert run(["train", two, "--data", data, "-o", two, "--resume"]) == 4
    assert "data: are not those that the training was begun with" in capsys.readouterr().err


def test_one_block_learns_on(model: str, data: str, tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert run(["train", model, "--data", data, "-o", one, *OPTIONS, "--epochs", "1"]) == 0
    assert run(["train", one, "--data", data, "-o", two, "--block", "fc3", "--epochs", "1"]) == 0
    weights = [Trainer.load(folder).state.layers for folder in (one, two)]
    assert [(weights[0][name].weight == weights[1][name].weight).all() for name in ("fc1", "fc2", "fc3")] == [True, True, False]


def test_a_training_that_fails_before_its_first_step_leaves_nothing(model: str, data: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    arguments = ["train", model, "--data", data, "-o", str(folder)]
    assert run([*arguments, *OPTIONS, "--block", "nothing"]) == 2
    assert run([*arguments, "--budget", "100"]) == 3
    assert run([*arguments, "--resume"]) == 4
    assert not folder.parent.exists()
    assert run([*arguments, *OPTIONS, "--epochs", "1"]) == 0


def test_a_training_that_fails_in_its_first_step_leaves_nothing(
    model: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"

    def fail(*_: Any) -> None:
        raise UnsupportedError("node 'x'", "cannot run")

    with monkeypatch.context() as patch:
        patch.setattr(BlockTraining, "step", fail)
        assert run(["train", model, "--data", data, "-o", str(folder), *OPTIONS]) == 4
    assert not folder.exists()
    folder.mkdir()
    (folder / ".training.lock").touch()  # as a process that was killed leaves it
    assert run(["train", model, "--data", data, "-o", str(folder), *OPTIONS, "--epochs", "1"]) == 0
    assert not (folder / ".training.lock").exists()


def test_a_loss_that_is_not_finite_is_one_line(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = blobs()
    np.savez(tmp_path / "data.npz", x_train=100 * x, y_train=np.eye(4)[y] * 1e6, x_test=x, y_test=np.eye(4)[y] * 2)
    options = ["--loss", "mean-squared-error", "--binarize", "none", "--rate", "1e6", "--normalization", "none"]
    command = ["train", model, "--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "out"), *OPTIONS, *options]
    assert run(command) == 4
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(r"block fc\d, step \d+: the loss is (NaN|infinite); lower the rate", line)
    assert Trainer.load(tmp_path / "out").progress.total_steps == 1
