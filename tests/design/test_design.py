"""A design from the digits: what it writes trains, and says what it is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.cli.run_cli import run
from tinyfoa_rt.artifact.plan_file import read_plan
from tinyfoa_rt.design import Request, Watch, design, designing
from tinyfoa_rt.design.halving import Step
from tinyfoa_rt.design.report import commands_of, sentences_of, write_report
from tinyfoa_rt.design.space import Family, families
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.pipeline import build, plan


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three families, three candidates of them, few samples."""

    def few(sample: tuple[int, ...], num_outputs: int) -> list[Family]:
        found = list(families(sample, num_outputs))
        return [*found[:2], *[family for family in found if not family.is_dense][:1]]

    monkeypatch.setattr(designing, "families", few)
    monkeypatch.setattr(designing, "_MOST_CANDIDATES", 3)
    monkeypatch.setattr(designing, "_MOST_EPOCHS", 4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_digits_are_learnt_in_two_kilobytes(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["design", "--data", "digits", "--budget", "2KB", "-o", "found"]) == 0
    shown = capsys.readouterr()
    assert "rung 1/2, 1/3, 2,302 samples" in shown.err
    report = (short / "found" / "report.md").read_text()
    planned = read_plan(short / "found" / "plan.json")
    assert planned.feasible and planned.peak_bytes <= 2048 and planned.batch == 1
    options = {**vars(planned.options), "train": "all"}
    assert plan(short / "found" / "model.onnx", **options).peak_bytes == planned.peak_bytes
    (accuracy,) = re.findall(r": ([\d.]+)% on 287 validation samples, the best of 2", report)
    assert float(accuracy) > 60  # a tenth is chance
    commands = [shlex.split(line)[1:] for line in report.splitlines() if line.startswith("    tinyfoa-rt")]
    assert [command[0] for command in commands] == ["build", "train", "export"]
    assert run(commands[0]) == 0
    assert run([*commands[1], "--epochs", "1"]) == 0
    assert run(commands[2]) == 0
    assert list((short / "found" / "c99").glob("*_model.c"))


@pytest.mark.slow
def test_the_same_call_finds_the_same(short: Path) -> None:
    found = [design("digits", short / name, Request(1500, seed=seed)) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    scores = [[{n: each.score for n, each in results.items()} for results in one.halving.results] for one in found]
    assert scores[0] == scores[1] != scores[2]
    assert (short / "a" / "model.onnx").read_bytes() == (short / "b" / "model.onnx").read_bytes()
    assert "Seed 3" in " ".join(sentences_of(found[0]))


def test_ctrl_c_writes_what_is_known(short: Path) -> None:
    def interrupt(step: Step, *others: object) -> None:
        if step.rung == 1:
            raise KeyboardInterrupt

    found = design("digits", short / "found", Request("1KB"), Watch(tried=interrupt))
    write_report(found, short / "found")
    assert found.halving.was_interrupted
    assert "Ctrl-C has ended the trials" in (short / "found" / "report.md").read_text()
    assert build(short / "found" / "model.onnx", read_plan(short / "found" / "plan.json")).blocks
    with pytest.raises(InputError, match="is not an empty folder"):
        design("digits", short / "found", Request("1KB"))


def test_numbers_are_told_too(short: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    y = (x @ rng.normal(size=6) / 3).astype(np.float32)
    np.savez("numbers.npz", x_train=x[:320], y_train=y[:320], x_test=x[320:], y_test=y[320:])
    found = design("numbers.npz", short / "found", Request("1KB"))
    assert found.best.plan.options.loss == "mean-squared-error"
    best = found.halving.results[-1][found.halving.best or 0]
    assert best.accuracy is None and best.loss is not None
    assert best.loss < 0.5 * float(np.mean(y**2))  # half of what zeros would come to


def test_the_column_of_the_labels_may_be_named(short: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    rows = [f"{'warm' if row[0] > 0 else 'cold'},{','.join(map(str, row))}" for row in x]
    (short / "table.csv").write_text("\n".join(["kind,a,b,c", *rows]))
    found = design("table.csv", short / "found", Request("1KB", label="kind"))
    assert found.best.plan.options.loss == "cross-entropy"
    assert "--data table.csv --label kind" in commands_of(found, short / "found")[1]
    best = found.halving.results[-1][found.halving.best or 0]
    assert best.accuracy is not None and best.accuracy > 0.75  # a half is chance


def test_several_inputs_are_refused(short: Path) -> None:
    x, y = np.zeros((9, 2), np.float32), np.arange(9) % 2
    np.savez("two.npz", a_train=x, b_train=x, y_train=y, a_test=x, b_test=x, y_test=y)
    with pytest.raises(InputError, match=r"has several inputs \(a, b\)"):
        design("two.npz", short / "found", Request("1KB"))


def test_what_cannot_be_met_is_one_line(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["design", "--data", "digits", "--budget", "100", "-o", "found"]) == 3
    assert re.search(r"budget 100 bytes: no network for these samples .*; the smallest needs \d+ bytes", capsys.readouterr().err)
    for wrong in (["--time", "3"], ["--latency", "3x"], ["--target", "nowhere"]):
        assert run(["design", "--data", "digits", "--budget", "2KB", *wrong, "-o", "found"]) == 2
    assert not (short / "found").exists()
