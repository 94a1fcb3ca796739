"""Turns that a flash bears: what a day writes, how many years that lasts, and what the plan chooses by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.small_models import load_model, mlp
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.pipeline import plan

DAY = 400
OPTIONS: dict[str, Any] = {"target": "c99", "batch": 2, "slices": "2x2", "samples_per_day": DAY}


def planned(folder: Path, **options: Any) -> Plan:
    return plan(load_model(mlp((32, 32, 32)), folder), "1MB", **{**OPTIONS, **options})


def turn_nbytes(found: Plan) -> int:
    """Of a slice of 16 x 16: record, signs and sums of 16 rows in a word each, biases; and a header for each turn."""
    header = 4 * (9 + 2 * (5 + 4 + 2) + 1)  # fixed words and a scale, maps and checksums of two layers
    hidden, classifier = 4 * (16 * 16 + 16 + 2 * 16 + 16), 4 * (16 * 16 + 16 + 16)
    assert found.nonvolatile_parts.storage_bytes == 2 * header + 4 * (2 * 32 + 2 * 32 + 32 + 32) + 5 * 4 * 2 * (16 * 16 + 16)
    return (hidden + classifier) // 2 + header


def test_years_are_those_of_ten_thousand_writes_of_all_of_the_storage(tmp_path: Path) -> None:
    found = planned(tmp_path, rotate_every=1)
    assert found.written_bytes_per_day == DAY // 2 * turn_nbytes(found)
    years = 10_000 * found.nonvolatile_parts.storage_bytes / found.written_bytes_per_day / 365.25
    assert found.flash_years == pytest.approx(years)
    assert planned(tmp_path, samples_per_day=None).flash_years is None


@pytest.mark.parametrize(
    ("turns_a_day", "rotate_every", "slices_per_step"), [(10, 20, 1), (7, 29, 1), (200, 1, 1), (650, 1, 3), (9000, 1, 4)]
)
def test_the_plan_chooses_turns_by_what_a_day_may_write(
    turns_a_day: int, rotate_every: int, slices_per_step: int, tmp_path: Path
) -> None:
    """200 steps a day."""
    most = turns_a_day * turn_nbytes(planned(tmp_path))
    found = planned(tmp_path, writes_per_day=str(most))
    assert (found.options.rotate_every, found.options.slices_per_step) == (rotate_every, slices_per_step)
    assert found.written_bytes_per_day is not None and found.written_bytes_per_day <= most
    asked = planned(tmp_path, writes_per_day="1GB", slices_per_step=2)
    assert (asked.options.rotate_every, asked.options.slices_per_step) == (1, 2)


def test_several_slices_are_not_chosen_where_they_need_too_much_ram(tmp_path: Path) -> None:
    graph = load_model(mlp((32, 64, 64, 8)), tmp_path)
    options = {**OPTIONS, "slices": "2x4", "batch": 8, "binarize": "none"}
    least = plan(graph, "1MB", **options).peak_bytes
    found = plan(graph, least, writes_per_day="1GB", **options)
    assert (found.feasible, found.options.slices_per_step, found.options.rotate_every) == (True, 1, 1)
    assert plan(graph, 2 * least, writes_per_day="1GB", **options).options.slices_per_step == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"writes_per_day": "1KB"}, r"--writes-per-day 1KB: is less than one turn a day writes: 1,\d\d\d bytes; give more"),
        ({"writes_per_day": "1KB", "slices_per_step": 2}, "is less than 2 slices in each step write"),
        ({"writes_per_day": "much"}, "--writes-per-day 'much': is not a size"),
        ({"writes_per_day": "1MB", "samples_per_day": None}, "says nothing without the samples of a day; give --samples-per-day"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        planned(tmp_path, **options)
