"""A hard budget: what a step takes is counted, and a step that would pass the budget ends with a status and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ort.changed_artifacts import change
from tests.ort.driver import Driver, compile_cpp
from tests.run import picture_models
from tests.run.trained_models import artifact_of, blobs
from tests.small_models import load_model, mlp
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Artifact

X, Y = blobs(60)
EXCEEDED = 3
GENEROUS = "1000000000"
NONE = str(2**64 - 1)


def images(count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (count, 784)).astype(np.float32), rng.integers(0, 10, count)


def wide_artifact(folder: Path, **options: Any) -> Artifact:
    graph = load_model(mlp((784, 256, 256, 10)), folder)
    return build(graph, plan(graph, "8MB", slices="2x2", **options))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
@pytest.mark.parametrize("batch", [1, 8])
def test_the_count_of_a_step_is_the_plan(batch: int, optimizer: str, driver: Driver, tmp_path: Path) -> None:
    artifact = wide_artifact(tmp_path, batch=batch, optimizer=optimizer)
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


def test_the_budget_of_the_plan_is_the_default(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    words = ("--threads", "1", "steps:0:1")
    ample = driver.run(tmp_path / "artifact", X, Y, *words, "--budget", GENEROUS)
    assert driver.run(tmp_path / "artifact", X, Y, *words) == ample
    too_little = ample[0]["bytes"] - 1
    change(tmp_path / "artifact" / "manifest.json", "budget_bytes", value=too_little)
    (failure,) = driver.run(tmp_path / "artifact", X, Y, *words)
    assert failure["status"] == EXCEEDED
    assert f"needs more than {too_little};" in failure["message"]
    assert driver.steps(tmp_path / "artifact", X, Y, *words, "--budget", NONE)


def test_a_budget_changes_no_number(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, optimizer="adam").save(tmp_path / "artifact")
    words = ("--threads", "1", "steps:0:9", "next", "steps:0:9")
    free = driver.steps(tmp_path / "artifact", X, Y, "--budget", NONE, *words)
    assert driver.steps(tmp_path / "artifact", X, Y, "--budget", GENEROUS, *words) == free


@pytest.fixture(scope="module")
def fail_allocations(ort_root: Path) -> Path:
    binary = ort_root / "fail-allocations"
    compile_cpp(ort_root, [Path(__file__).with_name("fail_allocations.cpp")], binary)
    return binary


def assert_whole(binary: Path, driver: Driver, folder: Path, kernels: str = "none", *, least: int = 10) -> None:
    """Let steps of all blocks fail at each of their allocations, late ones too, which no budget alone would reach."""
    done = driver.execute([str(binary), str(folder / "artifact"), str(folder / "run"), kernels])
    assert done.returncode == 0, done.stderr
    assert min(map(int, done.stdout.split())) > least  # allocations that failed in a step of each block


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adam"},
        {"slices": "3x2"},
        {"schedule": "full", "binarize": "none", "optimizer": "momentum"},
        {"head": "learned", "optimizer": "adam"},
        *(
            pytest.param(options, marks=pytest.mark.slow)
            for options in (
                {"optimizer": "momentum"},
                {"schedule": "full", "optimizer": "adam"},
                {"binarize": "none"},
                {"head": "learned", "slices": "3x2"},
            )
        ),
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "plain",
)
def test_wherever_a_step_fails_the_state_is_whole(
    options: dict[str, Any], fail_allocations: Path, driver: Driver, tmp_path: Path
) -> None:
    artifact_of(tmp_path, **options).save(tmp_path / "artifact")
    assert_whole(fail_allocations, driver, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"schedule": "full", "optimizer": "adam"},
        *(
            pytest.param(options, marks=pytest.mark.slow)
            for options in ({"optimizer": "momentum"}, {"slices": "3x2"}, {"schedule": "full"})
        ),
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "plain",
)
def test_wherever_a_step_with_kernels_fails_the_state_is_whole(
    options: dict[str, Any], fail_allocations: Path, driver: Driver, library: Path, tmp_path: Path
) -> None:
    artifact_of(tmp_path, **options).save(tmp_path / "artifact")
    assert_whole(fail_allocations, driver, tmp_path, str(library), least=2)  # fused kernels allocate little


def test_wherever_a_step_of_a_local_layer_fails_the_state_is_whole(
    fail_allocations: Path, driver: Driver, tmp_path: Path
) -> None:
    picture_models.local_artifact(tmp_path, optimizer="momentum").save(tmp_path / "artifact")
    assert_whole(fail_allocations, driver, tmp_path)


def test_a_training_goes_on_after_a_budget_was_exceeded(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    ample = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", GENEROUS, "steps:0:8")
    for share in (0.3, 0.5, 0.7, 0.9, 0.99):
        budget, run = str(int(share * ample[0]["bytes"])), tmp_path / f"run-{share}"
        driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", GENEROUS, "steps:0:4", f"save:{run}")
        (failure,) = driver.run(run, X, Y, "--resume", "--threads", "1", "--budget", budget, "steps:4:5", f"save:{run}")
        assert failure["status"] == EXCEEDED
        assert driver.run(run, X, Y, "--resume", "--threads", "1", "--budget", GENEROUS, "steps:4:8") == ample[4:]


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
