"""The chart: read back as XML, its rectangles against the plan's bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.drawing.structure import structure_of
from tests.golden_files import check_golden
from tests.planner.plans import allocator_plan, arena_plan, block, infeasible_plan, long_plan, plan_of, with_budget
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.report import render_chart
from tinyfoa_rt.report.panels import COLORS

SVG = "{http://www.w3.org/2000/svg}"
PLANS = {
    "arena": arena_plan,
    "allocator": allocator_plan,
    "infeasible": infeasible_plan,
    "ten": lambda: long_plan(10, is_arena=False),
    "panels": lambda: long_plan(24),
    "bars": lambda: long_plan(25),
    "many": lambda: long_plan(500),
}

GOLDEN = Path(__file__).parent / "golden"


def parse(plan: Plan) -> ET.Element:
    return ET.fromstring(render_chart(plan))


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def rectangles(root: ET.Element, prefix: str) -> list[tuple[float, float, float, float]]:
    """x, y, width and height of the rectangles whose tooltip starts with ``prefix``."""
    found = []
    for element in root.iter(f"{SVG}rect"):
        title = element.find(f"{SVG}title")
        if title is not None and (title.text or "").startswith(prefix):
            x, y, width, height = (float(element.attrib[key]) for key in ("x", "y", "width", "height"))
            found.append((x, y, width, height))
    return found


@pytest.mark.parametrize("make", [arena_plan, allocator_plan, infeasible_plan])
def test_golden_chart(make: Callable[[], Plan]) -> None:
    check_golden(GOLDEN / f"{make.__name__}_chart.txt", structure_of(render_chart(make())))


@pytest.mark.parametrize("make", PLANS.values(), ids=PLANS)
def test_it_is_an_accessible_image_whose_shapes_lie_inside(make: Callable[[], Plan]) -> None:
    root = parse(make())
    assert root.attrib["role"] == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    _, _, width, height = (float(value) for value in root.attrib["viewBox"].split())
    for element in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(element.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width + 0.01
        assert 0 <= y <= y + h <= height + 0.01


@pytest.mark.parametrize("make", PLANS.values(), ids=PLANS)
def test_the_same_plan_gives_the_same_text(make: Callable[[], Plan]) -> None:
    assert render_chart(make()) == render_chart(make())


def test_a_buffer_is_as_high_and_as_wide_as_it_is_large_and_long() -> None:
    root = parse(arena_plan())
    ((x_w, y_w, width_w, height_w),) = rectangles(root, "hidden.w:")
    ((x_x, y_x, width_x, height_x),) = rectangles(root, "hidden.x:")
    assert height_w == pytest.approx(2 * height_x, abs=0.03)
    assert width_w == pytest.approx(1.25 * width_x, abs=0.03)
    assert x_x == pytest.approx(x_w + width_w / 5, abs=0.03)
    assert y_x + height_x == pytest.approx(y_w - height_w / 4, abs=0.03)


def test_nonvolatile_buffers_take_no_room() -> None:
    assert rectangles(parse(arena_plan()), "hidden.bits:") == []


@pytest.mark.parametrize("make", [arena_plan, allocator_plan])
def test_no_two_buffers_overlap(make: Callable[[], Plan]) -> None:
    root = parse(make())
    shapes = rectangles(root, "hidden.") + rectangles(root, "grad.hidden.")
    for index, (x, y, width, height) in enumerate(shapes):
        for other_x, other_y, other_width, other_height in shapes[index + 1 :]:
            apart_in_time = x + width <= other_x + 0.03 or other_x + other_width <= x + 0.03
            apart_in_memory = y + height <= other_y + 0.03 or other_y + other_height <= y + 0.03
            assert apart_in_time or apart_in_memory


def test_an_allocators_pile_reaches_the_peak() -> None:
    root = parse(allocator_plan())
    peak = next(line for line in root.iter(f"{SVG}line") if line.get("stroke-dasharray") == "2 3")
    shapes = rectangles(root, "hidden.") + rectangles(root, "grad.hidden.")
    assert min(y for _, y, _, _ in shapes) == pytest.approx(float(peak.attrib["y1"]), abs=0.03)


def test_budget_and_peak_are_labelled() -> None:
    labels = texts(parse(arena_plan()))
    assert labels[labels.index("budget") + 1] == "32.0 KiB"
    assert labels[labels.index("peak") + 1] == "24.0 KiB"


@pytest.mark.parametrize("budget", [24_576, 24_500, 24_700, 23_000, 26_000, 1, 10**12])
def test_the_labels_of_budget_and_peak_are_apart(budget: int) -> None:
    plan = arena_plan()
    root = parse(replace(with_budget(plan, budget), feasible=budget >= plan.peak_bytes))
    labels = [element for element in root.iter(f"{SVG}text") if (element.text or "").startswith(("budget", "peak"))]
    budget_y, peak_y = (float(e.attrib["y"]) for e in labels if e.text != "" and not (e.text or "").startswith("peak in"))
    assert abs(budget_y - peak_y) >= 31.9
    assert min(budget_y, peak_y) > 90


def test_a_budget_far_above_is_noted_and_does_not_press_the_plan_flat() -> None:
    root = parse(with_budget(arena_plan(), 2**30))
    assert "budget, far above:" in texts(root)
    ((_, _, _, height),) = rectangles(root, "hidden.w:")
    assert height > 80


def test_up_to_24_blocks_are_panels_and_more_are_bars() -> None:
    assert rectangles(parse(long_plan(24)), "step 0")
    root = parse(long_plan(25))
    assert not rectangles(root, "step 0")
    assert "block, in the order of training" in texts(root)


def test_names_are_escaped() -> None:
    root = parse(plan_of((block('<script>&"]]>\x00\x1b'),), 65_536))
    assert '<script>&"]]>??' in texts(root)


def test_the_legend_holds_the_categories_in_use() -> None:
    assert set(COLORS) <= set(texts(parse(arena_plan())))
    assert len(set(COLORS.values())) == len(COLORS)


def test_only_the_peak_blocks_name_is_bold() -> None:
    bold = [e.text for e in parse(arena_plan()).iter(f"{SVG}text") if e.get("font-weight") == "bold"]
    assert "hidden" in bold
    assert "first" not in bold
