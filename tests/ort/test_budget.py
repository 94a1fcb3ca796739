"""A hard budget: what a step takes is counted, and a step that would pass the budget ends with a status and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ort.driver import Driver
from tests.run import test_local_training as local
from tests.run.trained_models import artifact_of, blobs
from tests.small_models import load_model, mlp
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.pipeline.building import build
from tinyfoa_rt.run import Artifact
from tinyfoa_rt.run.tensor_file import read_tensors

X, Y = blobs(60)
EXCEEDED = 3
GENEROUS = "1000000000"


def images(count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (count, 784)).astype(np.float32), rng.integers(0, 10, count)


def wide_artifact(folder: Path, **options: Any) -> Artifact:
    graph = load_model(mlp((784, 256, 256, 10)), folder)
    return build(graph, plan(graph, "8MB", slices="2x2", **options))


@pytest.mark.parametrize("batch", [1, 8])
def test_the_count_of_a_step_is_the_plan(batch: int, driver: Driver, tmp_path: Path) -> None:
    artifact = wide_artifact(tmp_path, batch=batch)
    artifact.save(tmp_path / "artifact")
    x, y = images(4 * batch)
    lines = driver.run(tmp_path / "artifact", x, y, "--threads", "1", "--budget", GENEROUS, "steps:0:4")
    counted = max(line["bytes"] for line in lines)
    # The plan knows the bodies of operators, not the few numbers beside them (shapes, logits that are held twice): some hundred
    # bytes. Slices are uneven, 384 and 400 inputs, and the plan is for the largest.
    assert abs(counted - artifact.manifest.peak_bytes) <= 0.005 * artifact.manifest.peak_bytes
    assert counted > 1.01 * min(line["bytes"] for line in lines)


def test_a_step_that_fits_exactly_is_taken_and_one_byte_less_is_not(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    ample = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", GENEROUS, "steps:0:1")
    needed = ample[0]["bytes"]
    exact = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", str(needed), "steps:0:1")
    assert exact == ample
    (failure,) = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", str(needed - 1), "steps:0:1")
    assert failure["status"] == EXCEEDED
    assert f"budget exceeded: a step that holds {needed}" not in failure["message"]  # it names what was held when it failed
    assert failure["message"].endswith(f"needs more than {needed - 1}; give a larger budget, or build a plan for this one")


def test_a_budget_changes_no_number(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, optimizer="adam").save(tmp_path / "artifact")
    words = ("--threads", "1", "steps:0:9", "next", "steps:0:9")
    free = driver.steps(tmp_path / "artifact", X, Y, *words)
    assert driver.steps(tmp_path / "artifact", X, Y, "--budget", GENEROUS, *words) == free


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "momentum"},
        {"optimizer": "adam"},
        {"schedule": "full", "optimizer": "adam"},
        {"schedule": "full", "binarize": "none", "optimizer": "momentum"},
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "plain",
)
def test_wherever_a_step_fails_the_state_is_whole(options: dict[str, Any], driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, **options).save(tmp_path / "artifact")
    assert_whole(driver, tmp_path, (X, Y))


def test_wherever_a_step_of_a_local_layer_fails_the_state_is_whole(driver: Driver, tmp_path: Path) -> None:
    local.artifact_of(tmp_path).save(tmp_path / "artifact")
    assert_whole(driver, tmp_path, (local.X, local.Y))


def assert_whole(driver: Driver, folder: Path, data: tuple[Any, Any]) -> None:
    """Train some steps, then fail one at many of its allocations; the saved state is that from before, and training goes on."""
    artifact, run = folder / "artifact", folder / "run"
    words = ("--threads", "1", "--budget", GENEROUS)
    steps = driver.run(artifact, *data, *words, "steps:0:4", f"save:{run}")
    before = read_tensors(next((run / "checkpoint").glob("state-*"))).tensors
    after = driver.run(run, *data, "--resume", *words, "steps:4:8", f"save:{folder / 'after'}")
    needed, held = after[0]["bytes"], steps[0]["bytes"] // 3
    num_failed = 0
    for budget in np.linspace(held, needed - 1, 14, dtype=int):
        tight = folder / f"tight-{budget}"
        lines = driver.run(run, *data, "--resume", "--threads", "1", "--budget", str(budget), "steps:4:5", f"save:{tight}")
        assert [line["status"] for line in lines] == [EXCEEDED]
        num_failed += 1
        left = read_tensors(next((tight / "checkpoint").glob("state-*"))).tensors
        for name, array in before.items():
            np.testing.assert_array_equal(left[name], array, err_msg=name)
        again = driver.run(tight, *data, "--resume", *words, "steps:4:8")
        assert again == after
    assert num_failed == 14


def test_after_a_failure_the_same_trainer_goes_on(driver: Driver, tmp_path: Path) -> None:
    """The first block's step fits, that of a wider second block does not: saving still works."""
    graph = load_model(mlp((12, 8, 64, 4)), tmp_path)
    build(graph, plan(graph, "1MB", batch=6, slices="2x2")).save(tmp_path / "artifact")
    words = ["steps:0:3", "next", "steps:0:1", "steps:0:1", f"save:{tmp_path / 'run'}", "info"]
    ample = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", GENEROUS, "steps:0:3", "next", "steps:0:1")
    budget = max(line["bytes"] for line in ample[:3]) + 64
    assert budget < ample[3]["bytes"]
    lines = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", str(budget), *words)
    assert [line.get("status") for line in lines] == [None, None, None, EXCEEDED, EXCEEDED, None]
    assert (lines[-1]["block"], lines[-1]["step"], lines[-1]["total_steps"]) == (1, 0, 3)


def test_a_forward_pass_counts_too(driver: Driver, tmp_path: Path) -> None:
    artifact = wide_artifact(tmp_path, batch=8)
    artifact.save(tmp_path / "artifact")
    x, y = images(8)
    (failure,) = driver.run(tmp_path / "artifact", x, y, "--budget", "20000", "evaluate")
    assert failure["status"] == EXCEEDED
