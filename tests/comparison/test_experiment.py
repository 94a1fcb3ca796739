"""What may be asked: methods as texts, runs, commands, and a folder that remembers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tinyfoa_rt.comparison.experiment import Experiment, remember
from tinyfoa_rt.comparison.learners import Method, method_of_text
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.ir.learners import LEARNERS


def test_a_method_is_a_learner_with_options() -> None:
    assert method_of_text("tinyfoa") == Method("tinyfoa", LEARNERS["tinyfoa"], {})
    text = "tinyfoa-float:slices=2x2:batch=8:train=last:2:epochs=20:rate=0.5:rate-schedule=constant:sampling=sqrt"
    planning = {"binarize": "none", "slices": "2x2", "batch": 8, "train": "last:2"}
    settings = {"epochs": 20, "rate": 0.5, "rate_schedule": "constant", "sampling": "sqrt"}
    assert method_of_text(text) == Method(text, planning, settings)


@pytest.mark.parametrize("name", LEARNERS)
def test_the_options_of_every_learner_are_known(name: str) -> None:
    assert next(Experiment([name], ["64KB"], 1).runs()).method.planning == LEARNERS[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tinyfo", "there is no learner 'tinyfo'; use tinyfoa, "),
        ("tinyfoa:2x2", "there is no learner 'tinyfoa:2x2'"),
        ("tinyfoa:slice=2x2", "'slice' is no option of a method"),
        ("tinyfoa:budget=2KB", "'budget' is no option of a method"),
        ("tinyfoa:seed=2", "'seed' is no option of a method"),
        ("tinyfoa:batch=two", "'two' is no number, which batch takes"),
        ("tinyfoa:batch=2:batch=2", "has 'batch' twice"),
        ("tinyfoa:slices=2", "--slices 2: is not a grid"),
        ("tinyfoa:epochs=0", "--epochs 0: is not between"),
        ("tinyfoa:alpha=row", "is called --weight-scale now"),
    ],
)
def test_what_is_no_method_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        method_of_text(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seeds": 0}, "--seeds 0: is not between 1 and 1,000"),
        ({"methods": []}, "none is named"),
        ({"methods": ["tinyfoa", "tinyfoa"]}, "tinyfoa in 65536 is there twice"),
        ({"budgets": ["64KB", 65_536]}, "tinyfoa in 65536 is there twice"),
        ({"budgets": ["64QB"]}, "unknown unit"),
        (
            {"options": {"binarize": "none"}, "methods": ["tinyfoa-float:binarize=both"]},
            "--binarize none: is not that of the method",
        ),
        ({"options": {"speed": 1}}, "speed: is no option"),
        ({"options": {"batch": 0}}, "--batch 0"),
        ({"options": {"epochs": 0}}, "--epochs 0"),
        ({"normalization": "some"}, "use auto, data or none"),
    ],
)
def test_what_is_asked_wrong_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        Experiment(**{"methods": ["tinyfoa"], "budgets": ["64KB"], **asked})
    assert message in str(refused.value)


def test_every_method_is_trained_once_before_one_is_trained_twice() -> None:
    runs = list(Experiment(["tinyfoa", "tinyfoa:slices=2x2"], ["64KB", "1KiB"], 2).runs())
    assert [run.folder for run in runs[:5]] == [
        "runs/tinyfoa/65536/seed-0",
        "runs/tinyfoa/1024/seed-0",
        "runs/tinyfoa_slices=2x2/65536/seed-0",
        "runs/tinyfoa_slices=2x2/1024/seed-0",
        "runs/tinyfoa/65536/seed-1",
    ]
    assert len(runs) == 8


def test_a_method_s_own_options_stand_beside_those_for_all() -> None:
    experiment = Experiment(["tinyfoa:epochs=7:rotate_every=3"], [], 2, options={"epochs": 5, "batch": 4, "target": "c99"})
    run = list(experiment.runs())[1]
    assert experiment.planning(run) == {"batch": 4, "target": "c99", "rotate_every": 3, "budget": None, "seed": 1}
    assert experiment.settings(run) == {"epochs": 7, "seed": 1, "rotate_every": 3}
    command = (
        "tinyfoa-rt train m.onnx --data d --batch 4 --target c99 --rotate-every 3 --seed 1 --epochs 7 --head-seed 1 -o trained"
    )
    assert experiment.command(run, "m.onnx", "d") == command
    inputs = ["--shape", "input=1x3x8x8", "--pool-input", "2"]
    assert experiment.command(run, "m.onnx", "d", inputs) == command.replace("--data d", f"--data d {' '.join(inputs)}")


def test_a_folder_remembers_and_may_grow(tmp_path: Path) -> None:
    asked = {"methods": ["a", "b"], "budgets": [1], "seeds": [0], "epochs": 3}
    remember(tmp_path, asked)
    grown = {"methods": ["b", "c", "a"], "budgets": [1, 2], "seeds": [0, 1], "epochs": 3}
    remember(tmp_path, grown)
    assert json.loads((tmp_path / "compare.json").read_text()) == grown
    for changed, message in (
        ({"epochs": 4}, "was begun with epochs 3, not 4"),
        ({"methods": ["a", "b"]}, "was begun with methods b,c,a, not a,b"),
        ({"batch": 2}, "was begun with batch its default, not 2"),
    ):
        with pytest.raises(InputError) as refused:
            remember(tmp_path, {**grown, **changed})
        assert message in str(refused.value)
    assert json.loads((tmp_path / "compare.json").read_text()) == grown


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds something that is no comparison"):
        remember(tmp_path, {})
    (tmp_path / "compare.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        remember(tmp_path, {})
