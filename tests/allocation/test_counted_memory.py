"""What the comparison measures: the bytes of an artifact's steps, in a process under the counting allocator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.optional_tools import required_tool
from tests.run.trained_models import artifact_of
from tinyfoa_rt.artifact.folder import PLAN
from tinyfoa_rt.artifact.plan_file import parse_plan
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.counted_memory import measure_peak


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 6},
        {"batch": 1, "optimizer": "adam"},
        {"batch": 32, "schedule": "full", "binarize": "none"},
        {"batch": 16, "schedule": "full", "block_layers": "all", "binarize": "none"},
    ],
    ids=str,
)
def test_what_is_measured_is_what_is_planned(options: dict[str, Any], tmp_path: Path) -> None:
    """To the byte: a plan for onnxruntime is the sum of what it allocates."""
    required_tool("gcc")
    artifact = artifact_of(tmp_path, sizes=(64, 48, 48, 10), **options)
    artifact.save(tmp_path / "artifact")
    planned = parse_plan(PLAN, artifact.models[PLAN]).peak_bytes
    assert measure_peak(tmp_path / "artifact", "none") == planned


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
