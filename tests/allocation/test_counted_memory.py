"""What the comparison measures: the bytes of an artifact's steps, in a process under the counting allocator."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.optional_tools import required_tool
from tests.run.trained_models import artifact_of
from tests.small_models import conv_net, load_model
from tinyfoa_rt.artifact.folder import PLAN
from tinyfoa_rt.artifact.plan_file import parse_plan
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.counted_memory import measure_peak


def mostly_slow(cases: Iterable[tuple[Any, ...]], fast: Collection[tuple[Any, ...]]) -> list[Any]:
    """Each case starts a process or two, which take a second each."""
    return [pytest.param(*case, marks=() if case in fast else pytest.mark.slow) for case in cases]


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 6},
        {"batch": 1, "optimizer": "adam"},
        {"batch": 32, "schedule": "full", "binarize": "none"},
        {"batch": 16, "schedule": "full", "block_layers": "all", "binarize": "none"},
        {"sizes": (64, 400, 400, 10), "slices": "1x1", "block_layers": "all", "binarize": "none", "optimizer": "adam"},
        {"sizes": (64, 400, 400, 10), "slices": "1x1", "block_layers": "all", "binarize": "none", "optimizer": "momentum"},
        {"sizes": (64, 400, 400, 10), "slices": "1x1", "block_layers": "all", "binarize": "none", "optimizer": "normalized"},
        {"batch": 6, "slices": "1x1", "train": "fc2[:1/4],fc3"},
        {"batch": 4, "slices": "2x2", "block_layers": "all", "train": "fc1[:3/8],fc2,fc3[:1/2]", "optimizer": "adam"},
        {"batch": 6, "slices": "2x2", "block_layers": "all", "slices_at": "one", "optimizer": "adam"},
        pytest.param({"batch": 6, "slices_per_step": 3, "optimizer": "adam"}, marks=pytest.mark.slow),
        pytest.param({"batch": 4, "slices": "2x3", "slices_per_step": 4, "block_layers": "all"}, marks=pytest.mark.slow),
        {"batch": 6, "train": "fc1[bias],fc2"},
        {"batch": 4, "block_layers": "all", "train": "all[bias],fc3", "optimizer": "momentum"},
        {"batch": 4, "slices": "1x1", "block_layers": "all", "train": "fc1[:3/8],fc2,fc3[:1/2]", "optimizer": "momentum"},
    ],
    ids=str,
)
def test_what_is_measured_is_what_is_planned(options: dict[str, Any], tmp_path: Path) -> None:
    """To the byte: a plan for onnxruntime is the sum of what it allocates."""
    required_tool("gcc")
    artifact = artifact_of(tmp_path, budget="8MB", **{"sizes": (64, 48, 48, 10), **options})
    artifact.save(tmp_path / "artifact")
    planned = parse_plan(PLAN, artifact.models[PLAN]).peak_bytes
    assert measure_peak(tmp_path / "artifact", "none") == planned


@pytest.mark.parametrize(
    ("binarize", "optimizer", "batch"),
    mostly_slow(
        itertools.product(("none", "both"), ("sgd", "normalized", "adam"), (1, 16)), [("none", "adam", 1), ("both", "sgd", 16)]
    ),
)
def test_of_a_convolutional_network_as_one_block(binarize: str, optimizer: str, batch: int, tmp_path: Path) -> None:
    required_tool("gcc")
    graph = load_model(conv_net(), tmp_path)
    options: dict[str, Any] = {"block_layers": "all", "schedule": "full", "binarize": binarize, "optimizer": optimizer}
    planned = plan(graph, "1MB", batch=batch, **options)
    build(graph, planned).save(tmp_path / "artifact")
    measured = measure_peak(tmp_path / "artifact", "none")
    assert measured is not None
    # No run takes more than its plan; beside convolutions onnxruntime takes a few bytes less than counted.
    assert 0.99 * planned.peak_bytes <= measured <= planned.peak_bytes


@pytest.mark.parametrize(
    ("binarize", "optimizer"),
    mostly_slow(
        itertools.product(("none", "weights", "both"), ("sgd", "normalized", "momentum")), [("none", "sgd"), ("both", "momentum")]
    ),
)
def test_gradients_of_a_deep_perceptron_are_not_in_memory_together(binarize: str, optimizer: str, tmp_path: Path) -> None:
    """Beside what a step keeps, eight layers of 64 x 64 take no gradient (16,384 bytes) more than four, planned and measured."""
    required_tool("gcc")
    beside = []
    for depth in (4, 8):
        options: dict[str, Any] = {"batch": 1, "block_layers": "all", "schedule": "full", "binarize": binarize}
        artifact = artifact_of(tmp_path, sizes=(64,) * (depth + 1), optimizer=optimizer, **options)
        artifact.save(tmp_path / f"artifact{depth}")
        planned = parse_plan(PLAN, artifact.models[PLAN])
        measured = measure_peak(tmp_path / f"artifact{depth}", "none")
        assert measured is not None and 0.99 * planned.peak_bytes <= measured <= planned.peak_bytes
        kept = sum(buffer.bytes for buffer in planned.blocks[0].buffers if buffer.category in ("weight", "state"))
        beside.append(planned.peak_bytes - kept)
    assert beside[1] - beside[0] < 64 * 64 * 4 / 2, beside


def test_without_a_compiler_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert measure_peak(tmp_path, "none") is None


def test_an_artifact_that_cannot_run_is_named(tmp_path: Path) -> None:
    required_tool("gcc")
    artifact = artifact_of(tmp_path)
    step = artifact.blocks[1].step
    replace(artifact, models={**artifact.models, step: b"\x08\x08"}).save(tmp_path / "artifact")
    with pytest.raises(InputError, match=r"artifact: cannot be measured \(.*steps/"):
        measure_peak(tmp_path / "artifact", "none")
