"""The C++ trainer with the plan's bytes as its hard budget: every network trains, and predicts between two blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.allocation.drawn_models import LEARNED_FROM, draw_case
from tests.ort.driver import Driver
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, export, plan


@pytest.mark.parametrize("seed", [*range(12), *range(LEARNED_FROM, LEARNED_FROM + 6)])
@pytest.mark.parametrize("form", ["artifact", "artifact-ort"])
def test_a_plan_is_a_budget_that_is_kept(seed: int, form: str, driver: Driver, tmp_path: Path) -> None:
    model, options = draw_case(seed)
    onnx.save(model, tmp_path / "model.onnx")
    graph = load(tmp_path / "model.onnx")
    planned = plan(graph, plan(graph, "1GB", **options).floor_bytes, **options)
    build(graph, planned).save(tmp_path / "built")
    export(tmp_path / "built", tmp_path / "project", format="ort")
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (2 * planned.batch, *graph.shape("input")[1:])).astype(np.float32)
    y = rng.integers(0, 2, len(x))
    words = [word for _ in planned.blocks for word in ("steps:0:2", "predict", "next")]
    lines = driver.run(tmp_path / "project" / form, x, y, "--threads", "1", "--budget", str(planned.peak_bytes), *words)
    assert not [line for line in lines if isinstance(line, dict) and "status" in line], lines
    assert max(line["bytes"] for line in lines if isinstance(line, dict) and "bytes" in line) <= planned.peak_bytes
