"""The table: what it says, and that it fits."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.golden_files import check_golden
from tests.planner.plans import allocator_plan, arena_plan, block, infeasible_plan, long_plan, plan_of
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.report import print_plan
from tinyfoa_rt.report.comparison import ratio

GOLDEN = Path(__file__).parent / "golden"


def printed(plan: Plan, *, width: int = 100) -> str:
    out = io.StringIO()
    print_plan(plan, Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize("make", [arena_plan, allocator_plan, infeasible_plan])
def test_golden_text(make: Callable[[], Plan]) -> None:
    check_golden(GOLDEN / f"{make.__name__}.txt", printed(make()))


@pytest.mark.parametrize("count", [1, 3, 26, 40, 41, 300])
def test_no_line_is_wider_than_100_columns(count: int) -> None:
    text = printed(long_plan(count), width=250)
    assert max(cell_len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text


def test_of_many_blocks_the_ends_and_the_largest_are_shown() -> None:
    plan = long_plan(60)
    names = [f"b{index}" for index in range(60)]
    plan = replace(plan, blocks=tuple(replace(b, name=name) for b, name in zip(plan.blocks, names)))
    text = printed(plan)
    shown = [int(line.split()[0][1:]) for line in text.splitlines() if line[:1] == "b" and line[1:2].isdigit()]
    assert {0, 1, 25, 58, 59} <= set(shown)
    assert 20 <= len(shown) < 41
    left_out = [int(line.split()[1]) for line in text.splitlines() if line.startswith("… ")]
    assert sum(left_out) + len(shown) == 60


def test_blocks_whose_names_look_alike_are_numbered() -> None:
    """Exporters write names that differ in their middle only, which is what a narrow column leaves out."""
    names = [f"{'model/' * 9}conv_{index}/{'Conv2D/' * 9}" for index in range(3)]
    text = printed(plan_of(tuple(block(name) for name in names), 65_536))
    rows = [line.split("  ")[0] for line in text.splitlines() if "model/" in line]
    assert [row.split(":")[0] for row in rows[:3]] == ["1", "2", "3"]
    assert "1: " not in printed(arena_plan())


def test_the_largest_block_is_marked() -> None:
    marked = [line for line in printed(arena_plan()).splitlines() if line.rstrip().endswith("<")]
    assert [line.split()[0] for line in marked] == ["hidden"]


def test_names_are_not_read_as_markup() -> None:
    blocks = (block("[red]a[/red]"), block("[/]"), block("x\x1b[31m\ny"))
    text = printed(plan_of(blocks, 64))
    assert "[red]a[/red]" in text
    assert "[/]" in text
    assert "x?[31m?y" in text


def test_a_headline_with_markup_in_the_infeasible_block() -> None:
    assert "largest buffers of block [bold]b" in printed(plan_of((block("[bold]b"),), 64))


def test_what_is_in_the_way_is_named_in_order_of_size() -> None:
    text = printed(infeasible_plan())
    rows = [line.split() for line in text.splitlines()]
    at = next(index for index, row in enumerate(rows) if row[:2] == ["largest", "buffers"])
    assert rows[at + 1 : at + 4] == [["hidden.w", "8,192"], ["grad.hidden.h", "6,144"], ["hidden.x", "4,096"]]
    assert "does not fit in 16.0 KiB" in text
    assert "24,576" in text


def test_nonvolatile_memory_that_is_too_small_is_said() -> None:
    assert "does not fit in nonvolatile memory" in printed(replace(arena_plan(), feasible=False))


def test_bytes_written_are_unknown_without_samples() -> None:
    assert "give --samples" in printed(arena_plan())
    assert "123,456" in printed(allocator_plan())


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_an_output_of_any_encoding_takes_every_name(encoding: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    print_plan(plan_of((block("\u5c42/1"), block("n" * 200)), 65_536), Console(file=out, width=100))
    out.seek(0)
    assert ("\u5c42/1" if encoding == "utf-8" else "?/1") in out.read()


def test_the_reason_is_last() -> None:
    assert printed(arena_plan()).rstrip().endswith("the largest fraction that fits.")


def test_the_comparison_gives_the_ratios_of_the_paper() -> None:
    lines = printed(arena_plan()).splitlines()
    forward = next(line for line in lines if line.startswith("forward (weights)"))
    update = next(line for line in lines if line.startswith("update (weights)"))
    assert " ".join(forward.split()) == ("forward (weights) 69.2 MiB 2.16 MiB 32.0x less 750 KiB 94.5x less 750 KiB 94.5x less")
    assert update.endswith("5.86 MiB 11.8x less")


@pytest.mark.parametrize(
    ("reference", "nbytes", "text"),
    [(945, 10, "94.5x less"), (10, 10, "same"), (10, 12, "1.2x more"), (0, 4, ""), (4, 0, ""), (51_200, 10, "5,120x less")],
)
def test_ratios(reference: int, nbytes: int, text: str) -> None:
    assert ratio(reference, nbytes) == text
