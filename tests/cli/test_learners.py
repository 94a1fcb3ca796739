"""``--method`` with the name of a learner, and what plans say of ``--method auto``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.cli.run_cli import run
from tests.small_models import mlp
from tinyfoa_rt.ir.learners import LEARNERS
from tinyfoa_rt.ir.options import options_of


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    onnx.save(mlp(), "small.onnx")
    return "small.onnx"


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["plan", "--json", *arguments]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_is_the_options_that_it_stands_for(model: str, capsys: pytest.CaptureFixture[str], name: str) -> None:
    options = [
        text
        for option, value in LEARNERS[name].items()
        if option != "method"
        for text in (f"--{option.replace('_', '-')}", value)
    ]
    method = LEARNERS[name].get("method", "local-head")
    plain = planned(capsys, model, "--budget", "64KB", "--batch", "2", "--method", method, *options)
    assert planned(capsys, model, "--budget", "64KB", "--batch", "2", "--method", name) == plain
    assert plain["method"] == method


def test_what_is_given_besides_takes_the_place_of_a_learner_s() -> None:
    options = options_of(method="backpropagation", binarize="weights")
    assert (options.block_layers, options.binarize, options.schedule, options.method) == ("all", "weights", "full", "local-head")
    assert options_of(method="tinyfoa") == options_of()


def test_a_build_takes_the_learner_of_its_plan_alone(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", model, "--budget", "64KB", "--method", "backpropagation", "-o", "plan.json"]) == 0
    capsys.readouterr()
    assert run(["build", model, "--plan", "plan.json", "--method", "tinyfoa", "-o", "other"]) == 2
    assert "--block-layers 1: is not what the plan says (all)" in capsys.readouterr().err
    assert run(["build", model, "--plan", "plan.json", "--method", "backpropagation", "-o", "built"]) == 0


def test_what_auto_has_chosen_is_built_and_trained(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, model, "--budget", "64KB", "--method", "auto", "-o", "plan.json")
    assert (found["method"], found["block_layers"], found["binarize"]) == ("local-head", "all", "none")
    assert run(["build", model, "--plan", "plan.json", "-o", "built"]) == 0


@pytest.mark.parametrize("target", ["ort-cpu", "c99"])
def test_a_plan_without_a_method_says_what_auto_would_do(model: str, capsys: pytest.CaptureFixture[str], target: str) -> None:
    arguments = ["plan", model, "--batch", "2", "--target", target, "--budget"]
    peak = planned(capsys, *arguments[1:], "64KB", "--method", "backpropagation")["peak_bytes"]
    assert run([*arguments, str(peak)]) == 0
    line = "--method auto would train end to end in float, whole layers in every step: about 15 points of accuracy more"
    assert line in " ".join(capsys.readouterr().out.split())  # layer by layer 2, fixed heads 5, binary 8
    assert run([*arguments, str(peak - 1)]) == 0
    line = " ".join(capsys.readouterr().out.split()).partition("--method auto would train ")[2]
    chosen = planned(capsys, *arguments[1:], str(peak - 1), "--method", "auto")["reason"].removeprefix("Chosen: to train ")
    assert chosen.partition(". ")[0] == line.partition(": about ")[0]
    assert run([*arguments, "100"]) == 3
    assert "--method auto looks for a way to train that fits" in capsys.readouterr().out
    assert run([*arguments, str(peak), "--method", "tinyfoa"]) == 0
    assert "--method auto" not in capsys.readouterr().out
