"""Points of series over bytes."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyfoa_rt.drawing import Dot, render_scatter

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("memory", lambda nbytes: f"{nbytes} B")


def drawn(dots: Sequence[Dot], quantity: str = "accuracy") -> ET.Element:
    return ET.fromstring(render_scatter(dots, "Title", quantity, NAMES))


def marks(root: ET.Element, kind: str) -> list[ET.Element]:
    return [each for each in root.iter(f"{SVG}{kind}") if each.find(f"{SVG}title") is not None]


def outline(element: ET.Element) -> tuple[tuple[float, ...], ...]:
    """The corners of a polygon, from its first one, to whole pixels."""
    corners = [tuple(map(float, pair.split(","))) for pair in element.attrib.get("points", "").split()]
    return tuple(tuple(round(place - first) for place, first in zip(corner, corners[0])) for corner in corners)


def test_a_point_lies_where_its_bytes_and_its_value_are() -> None:
    root = drawn([Dot("a", 2**10, 0.5, "one"), Dot("a", 2**12, 0.7, "two"), Dot("a", 2**14, 0.9, "three")])
    centres = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in marks(root, "circle")[:3]]
    assert centres[1][0] == pytest.approx((centres[0][0] + centres[2][0]) / 2, abs=0.02)  # the axis is logarithmic
    assert centres[1][1] == pytest.approx((centres[0][1] + centres[2][1]) / 2, abs=0.02)  # rounded to hundredths of a pixel
    assert centres[0][1] > centres[1][1] > centres[2][1]
    titles = [each.findtext(f"{SVG}title") for each in marks(root, "circle")[:3]]
    assert titles[0] == "one: accuracy 50.0 %, 1024 B"


def test_a_line_joins_the_means() -> None:
    dots = [Dot("a", 4096, 0.8, ""), Dot("a", 1024, 0.4, ""), Dot("a", 1024, 0.6, ""), Dot("b", 2048, 0.5, "")]
    root = drawn(dots)
    (line,) = root.iter(f"{SVG}polyline")
    (x, y), (far, high) = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    half = next(each for each in marks(root, "circle") if each.findtext(f"{SVG}title", "").startswith(": accuracy 50.0"))
    assert y == pytest.approx(float(half.attrib["cy"]), abs=0.01)
    assert far > x and high < y


def test_series_beyond_the_colours_have_other_marks() -> None:
    root = drawn([Dot(f"series {n}", 1000 + n, n / 30, "run") for n in range(28)])
    kinds = {(each.tag, each.attrib["fill"], outline(each)) for each in root if each.find(f"{SVG}title") is not None}
    assert len(kinds) == 28
    assert len(marks(root, "circle")) == 14  # seven, and as many in the legend


def test_losses_grow_upwards_and_nothing_is_said_so() -> None:
    root = drawn([Dot("a", 1000, 0.25, "low"), Dot("b", 1000, 0.5, "high")], "loss")
    low, high, *_ = [float(each.attrib["cy"]) for each in marks(root, "circle")]
    assert low > high
    assert "the best loss is 0.25" in (root.findtext(f"{SVG}desc") or "")
    assert "nothing was trained yet" in [each.text for each in drawn([]).iter(f"{SVG}text")]


@given(st.lists(st.builds(Dot, st.text(max_size=3), st.integers(1, 2**60), st.floats(0, 1), st.text(max_size=3)), max_size=6))
def test_no_dots_break_it(dots: list[Dot]) -> None:
    for quantity in ("accuracy", "loss"):
        root = drawn(dots, quantity)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for each in marks(root, "circle"):
            assert 0 < float(each.attrib["cx"]) < width and 0 < float(each.attrib["cy"]) < height
        assert len(list(root.iter(f"{SVG}text"))) < 40
