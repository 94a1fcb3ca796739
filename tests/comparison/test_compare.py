"""Comparisons as a user runs them: what they leave, that they go on where they were killed, what they refuse."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import tinyfoa_rt
from tests.cli.run_cli import run
from tests.run.trained_models import blobs
from tests.small_models import conv_net, mlp
from tinyfoa_rt.comparison import Progress
from tinyfoa_rt.comparison.result import Result, read_result
from tinyfoa_rt.comparison.summary import Row

ASKED: dict[str, Any] = {
    "methods": ["tinyfoa", "tinyfoa:slices=2x2", "tinyfoa-float:epochs=2"],
    "budgets": ["32KB"],
    "seeds": 2,
    "batch": 6,
    "epochs": 3,
    "threads": 1,
    "kernels": "none",
}

MEASURED = 4321  # bytes that no plan has


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and data, which commands run in."""
    onnx.save(mlp((12, 16, 16, 4)), tmp_path / "small.onnx")
    (x, y), (x_test, y_test) = blobs(), blobs(60, seed=1)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without a C compiler: no run starts a process that counts its memory."""
    monkeypatch.setattr("tinyfoa_rt.comparison.one_run.measure_peak", lambda *_: None)


@pytest.mark.usefixtures("uncounted")
def test_what_is_said_of_inputs_and_classes_reaches_the_runs_and_their_commands(files: Path) -> None:
    onnx.save(conv_net(), files / "conv.onnx")
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (40, 3, 8, 8)).astype(np.float32), np.arange(40) % 5
    np.savez(files / "images.npz", x_train=x, y_train=y, x_test=x[:10], y_test=y[:10])
    asked: dict[str, Any] = {
        "methods": ["tinyfoa:sampling=sqrt"],
        "budgets": ["1MB"],
        "seeds": 1,
        "batch": 4,
        "epochs": 1,
        "threads": 1,
    }
    tinyfoa_rt.compare("conv.onnx", "images.npz", "report", pool_input=2, class_weights="balanced", **asked)
    assert "--pool-input 2 " in (files / "report" / "report.html").read_text()
    folder = files / "report" / "runs" / "tinyfoa_sampling=sqrt" / "1048576" / "seed-0"
    planned = json.loads((folder / "plan.json").read_text())
    assert (planned["pool_input"], planned["class_weights"]) == (2, "1,1,1,1,1")


def unmeasured(rows: Any) -> list[Row]:
    """Rows without what no two runs have in common, and without measured bytes."""
    return [replace(row, results=tuple(without_time(each) for each in row.results)) for row in rows]


def without_time(result: Result) -> Result:
    if result.measures is None:
        return result
    return replace(result, measures=replace(result.measures, seconds=0.0, measured_bytes=None))


@pytest.mark.usefixtures("uncounted")
def test_runs_are_those_of_the_commands_that_the_report_shows(files: Path) -> None:
    seen: list[Progress] = []
    comparison = tinyfoa_rt.compare("small.onnx", "data.npz", "report", seen.append, **ASKED)
    assert [(each.number, each.count, each.result is None) for each in seen[:3]] == [(1, 6, True), (1, 6, False), (2, 6, True)]
    assert len(comparison.rows) == 3 and not comparison.interrupted_by
    experiment = tinyfoa_rt.comparison.experiment.Experiment(
        ASKED["methods"], ASKED["budgets"], 2, options={"batch": 6, "epochs": 3}
    )
    for one in list(experiment.runs())[2:5]:
        _, *arguments = shlex.split(experiment.command(one, "small.onnx", "data.npz"))
        shutil.rmtree("trained", ignore_errors=True)
        assert run([*arguments, "--threads", "1", "--kernels", "none"]) == 0
        folder = files / "report" / one.folder
        assert (files / "trained" / "inference.onnx").read_bytes() == (folder / "inference.onnx").read_bytes()
        found = json.loads((files / "trained" / "evaluation.json").read_text())
        result = read_result(folder)
        assert result is not None and result.measures is not None
        assert {name: getattr(result.measures, name) for name in found} == found


def test_a_result_is_what_was_planned_and_measured(files: Path) -> None:
    tinyfoa_rt.compare("small.onnx", "data.npz", "report", **{**ASKED, "seeds": 1})
    result = read_result(files / "report" / "runs" / "tinyfoa_slices=2x2" / "32768" / "seed-0")
    assert result is not None and result.measures is not None
    plan = tinyfoa_rt.plan("small.onnx", "32KB", batch=6, slices="2x2", samples=120)
    assert plan.written_bytes_per_epoch
    measures = result.measures
    assert result.sentence == plan.reason
    assert measures.planned_bytes == plan.peak_bytes
    assert measures.measured_bytes in (None, plan.peak_bytes)  # None without a C compiler
    assert measures.written_bytes == 3 * plan.written_bytes_per_epoch
    assert measures.steps == 3 * 3 * 120 // 6
    assert measures.epochs == 3
    assert 0 < measures.seconds < 600


def command_of(output: str) -> list[str]:
    arguments = [
        "compare",
        "small.onnx",
        "--data",
        "data.npz",
        "--methods",
        "backpropagation,tinyfoa:slices=2x2",
        "--budget",
        "32KB",
    ]
    settings = ["--seeds", "2", "--batch", "6", "--epochs", "40", "--threads", "1", "--kernels", "none"]
    return [*arguments, *settings, "-o", output]


def tables_without_times(folder: Path) -> list[list[str]]:
    lines = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    return [line.split("|")[:-3] for line in lines]


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_comparison_that_was_killed_ends_in_the_same_table(
    number: signal.Signals, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command_of("straight")) == 0
    capsys.readouterr()
    command = [
        sys.executable,
        "-c",
        "from tinyfoa_rt.cli import main; main()",
        *command_of("broken"),
        "--checkpoint-every",
        "0.3",
    ]
    environment = {**os.environ, "PATH": "", "PYTHONPATH": str(Path(tinyfoa_rt.__file__).parents[1])}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
    second = files / "broken" / "runs" / "tinyfoa_slices=2x2" / "32768" / "seed-0" / "metrics.jsonl"
    while process.poll() is None and not (second.exists() and second.stat().st_size > 2000):
        time.sleep(0.005)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number), err
    assert ("the same command goes on" in err) == (number == signal.SIGTERM)
    first = files / "broken" / "runs" / "backpropagation" / "32768" / "seed-0" / "result.json"
    before = first.stat().st_mtime_ns
    assert not (second.parent / "result.json").exists()
    assert run(command_of("broken")) == 0
    err = capsys.readouterr().err
    assert err.count("(from before)") == 1 and len(err.splitlines()) == 4
    assert first.stat().st_mtime_ns == before
    assert tables_without_times(files / "broken") == tables_without_times(files / "straight")
    for path in (files / "straight" / "runs").rglob("inference.onnx"):
        other = files / "broken" / path.relative_to(files / "straight")
        assert other.read_bytes() == path.read_bytes()
    steps = [json.loads(line)["step"] for line in (second.parent / "times.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_finished_runs_are_not_repeated_and_lists_may_grow(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first run measured is not measured again: those that are added find no C compiler."""
    monkeypatch.setattr("tinyfoa_rt.comparison.one_run.measure_peak", lambda *_: MEASURED)
    first = tinyfoa_rt.compare("small.onnx", "data.npz", "report", **{**ASKED, "methods": ["tinyfoa"], "seeds": 1})
    monkeypatch.setattr("tinyfoa_rt.comparison.one_run.measure_peak", lambda *_: None)
    seen: list[Progress] = []
    more = {"methods": ["tinyfoa", "freeze-diagonal"], "budgets": ["32KB", "64KB"], "seeds": 2}
    grown = tinyfoa_rt.compare("small.onnx", "data.npz", "report", seen.append, **{**ASKED, **more})
    assert [each.was_there for each in seen if each.result is not None] == [True, *[False] * 7]
    assert len(grown.rows) == 4
    found = next(row for row in grown.rows if row.method == "tinyfoa" and row.budget == "32.0 KiB")
    assert found.results[0] == first.rows[0].results[0]
    assert [each.measures and each.measures.measured_bytes for each in found.results] == [MEASURED, None]
    again = tinyfoa_rt.compare("small.onnx", "data.npz", "report", **{**ASKED, **more})
    assert again.rows == grown.rows
    anew = tinyfoa_rt.compare("small.onnx", "data.npz", "anew", **{**ASKED, **more})
    assert unmeasured(again.rows) == unmeasured(anew.rows)


@pytest.mark.usefixtures("uncounted")
def test_a_budget_that_is_too_small_is_a_row_that_says_what_would_do(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "small.onnx", "--data", "data.npz", "--methods", "tinyfoa:batch=6", "-o", "report", "--seeds", "1"]
    assert run([*arguments, "--budget", "100,32KB", "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    needed = tinyfoa_rt.plan("small.onnx", 100, batch=6, samples=120).floor_bytes
    assert f"needs {needed / 1024:.2f} KiB ({needed:,} bytes)" in printed
    assert f"({needed:,} bytes)" in (files / "report" / "table.md").read_text(encoding="utf-8")
    assert tinyfoa_rt.plan("small.onnx", needed, batch=6).feasible
    assert run([*arguments[:-4], "-o", "none", "--budget", "100"]) == 3
    assert "no method was trained" in capsys.readouterr().err
    assert (files / "none" / "report.html").exists()


@pytest.mark.usefixtures("uncounted")
def test_a_method_that_a_model_does_not_take_is_a_row_that_says_why(files: Path) -> None:
    methods = ["tinyfoa:train=last:9", "tinyfoa"]
    comparison = tinyfoa_rt.compare("small.onnx", "data.npz", "report", **{**ASKED, "methods": methods, "seeds": 1})
    assert [bool(row.trained) for row in comparison.rows] == [True, False]
    assert "--train last:9" in comparison.rows[1].sentence


@pytest.mark.usefixtures("uncounted")
def test_a_training_that_diverges_is_a_row_that_says_so(files: Path) -> None:
    methods = ["tinyfoa:optimizer=sgd:rate=1e38", "tinyfoa"]
    comparison = tinyfoa_rt.compare("small.onnx", "data.npz", "report", **{**ASKED, "methods": methods, "seeds": 1})
    assert [bool(row.trained) for row in comparison.rows] == [True, False]
    assert "lower the rate" in comparison.rows[1].sentence


@pytest.mark.usefixtures("uncounted")
def test_regressions_are_compared_by_their_loss(files: Path) -> None:
    onnx.save(mlp((12, 16, 2)), files / "numbers.onnx")
    (x, _), (x_test, _) = blobs(), blobs(60, seed=1)
    np.savez(files / "numbers.npz", x_train=x, y_train=x[:, :2] / 4, x_test=x_test, y_test=x_test[:, :2] / 4)
    comparison = tinyfoa_rt.compare("numbers.onnx", "numbers.npz", "report", **{**ASKED, "seeds": 1})
    losses = [row.trained[0].loss for row in comparison.rows]
    assert losses == sorted(losses) and len(losses) == 3
    assert "accuracy" not in (files / "report" / "table.md").read_text(encoding="utf-8")


REFUSED = [
    (["--methods", "tinyfo"], 2, "there is no learner 'tinyfo'"),
    (["--seeds", "0"], 2, "--seeds 0"),
    (["--epochs", "4"], 4, "was begun with epochs 1, not 4"),
    (["--slices", "2x2"], 4, "was begun with slices its default, not 2x2"),
    (["--seeds", "1"], 4, "was begun with seeds 0,1, not 0"),
    (["--data", "digits"], 4, "was begun with data "),
]


@pytest.mark.usefixtures("uncounted")
def test_what_cannot_go_on_is_refused_in_a_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "small.onnx", "--data", "data.npz", "--methods", "tinyfoa", "--budget", "32KB"]
    arguments += ["--seeds", "2", "--epochs", "1", "-o", "report"]
    assert run(arguments) == 0
    capsys.readouterr()
    table = (files / "report" / "table.md").read_bytes()
    for changed, status, message in REFUSED:
        assert run([*arguments, *changed]) == status, changed
        err = capsys.readouterr().err
        assert message in err and len(err.splitlines()) == 1
        assert (files / "report" / "table.md").read_bytes() == table


@pytest.mark.usefixtures("uncounted")
def test_a_damaged_result_is_named(files: Path) -> None:
    asked = {**ASKED, "methods": ["tinyfoa"], "seeds": 1}
    tinyfoa_rt.compare("small.onnx", "data.npz", "report", **asked)
    path = files / "report" / "runs" / "tinyfoa" / "32768" / "seed-0" / "result.json"
    path.write_text(path.read_text().replace('"seed"', '"sed"'))
    with pytest.raises(tinyfoa_rt.TinyfoaError, match="remove the file, and the same command makes it again"):
        tinyfoa_rt.compare("small.onnx", "data.npz", "report", **asked)
    path.unlink()
    assert tinyfoa_rt.compare("small.onnx", "data.npz", "report", **asked).rows[0].trained
