"""Plans, graphs, C and losses are what they were when they were recorded (record.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.recorded.record import CASES, RECORDED, record

RECORD = json.loads(RECORDED.read_text(encoding="utf-8"))
# onnxruntime's float products are summed in another order on other processors: some 1e-6 a step, over at most 36 steps.
LOSS_TOLERANCE = 1e-4


@pytest.mark.parametrize("name", CASES)
def test_what_was_recorded_is_made_again(name: str, tmp_path: Path) -> None:
    found, expected = record(name, tmp_path), dict(RECORD[name])
    del found["trained"]
    assert found.pop("losses") == pytest.approx(expected.pop("losses"), rel=LOSS_TOLERANCE)
    assert found == expected


def test_a_change_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, options = CASES["mlp-last"]
    monkeypatch.setitem(CASES, "mlp-last", (make, {**options, "batch": 3}))
    found = record("mlp-last", tmp_path)
    assert found["plan"] != RECORD["mlp-last"]["plan"] and found["steps"] != RECORD["mlp-last"]["steps"]
    assert found["inference"] == RECORD["mlp-last"]["inference"]
