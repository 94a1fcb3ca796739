"""The structure of a chart changes with what a reader sees, and with nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree as ET

import pytest

from tests.drawing.curves import layer_wise
from tests.drawing.structure import structure_of
from tests.planner.plans import arena_plan
from tinyfoa_rt.drawing import render_curve
from tinyfoa_rt.report import render_chart

SVG = "{http://www.w3.org/2000/svg}"


def chart() -> str:
    return render_chart(arena_plan())


def curve() -> str:
    return render_curve(layer_wise(["first", "second"], 5), "Training")


CHARTS = pytest.mark.parametrize("draw", [chart, curve])


def changed(svg: str, change: Callable[[ET.Element], None]) -> str:
    root = ET.fromstring(svg)
    change(root)
    return ET.tostring(root, encoding="unicode")


def labels(root: ET.Element) -> list[ET.Element]:
    return list(root.iter(f"{SVG}text"))


def drop_label(index: int, root: ET.Element) -> None:
    root.remove(labels(root)[index])


def drop_shape(index: int, root: ET.Element) -> None:
    root.remove(root[index])


def shape(root: ET.Element, start: str) -> ET.Element:
    """The shape whose tooltip starts so."""
    return next(each for each in root if (each.findtext(f"{SVG}title") or "").startswith(start))


MARGINS = [(chart, name) for name in ("_LEFT", "_RIGHT", "_TOP", "_WIDTH", "_PLOT_HEIGHT", "_LEVEL_ROOM")]
MARGINS += [(curve, name) for name in ("_LEFT", "_RIGHT", "_WIDTH", "_HEADING", "_FOOTER")]


@pytest.mark.parametrize(("draw", "margin"), MARGINS)
def test_a_margin_that_moves_by_two_pixels_changes_nothing(
    draw: Callable[[], str], margin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = draw()
    module = sys.modules[(render_chart if draw is chart else render_curve).__module__]
    monkeypatch.setattr(module, margin, getattr(module, margin) + 2)
    assert draw() != before
    assert structure_of(draw()) == structure_of(before)


@CHARTS
def test_a_missing_label_is_noticed(draw: Callable[[], str]) -> None:
    for index in range(len(labels(ET.fromstring(draw())))):
        assert structure_of(changed(draw(), partial(drop_label, index))) != structure_of(draw())


@CHARTS
def test_a_missing_shape_is_noticed(draw: Callable[[], str]) -> None:
    for index, child in enumerate(ET.fromstring(draw())):
        if child.tag not in (f"{SVG}title", f"{SVG}desc", f"{SVG}text") and index > 2:
            assert structure_of(changed(draw(), partial(drop_shape, index))) != structure_of(draw())


@CHARTS
def test_labels_that_change_places_are_noticed(draw: Callable[[], str]) -> None:
    def swap(index: int, root: ET.Element) -> None:
        one, other = labels(root)[index : index + 2]
        one.attrib["x"], other.attrib["x"] = other.attrib["x"], one.attrib["x"]
        one.attrib["y"], other.attrib["y"] = other.attrib["y"], one.attrib["y"]

    for index in range(len(labels(ET.fromstring(draw()))) - 1):
        assert structure_of(changed(draw(), partial(swap, index))) != structure_of(draw())


@pytest.mark.parametrize(
    ("draw", "start", "key"), [(chart, "hidden.x", "height"), (chart, "hidden.x", "x"), (curve, "first", "cy")]
)
def test_a_place_that_is_wrong_by_more_than_a_hundredth_of_the_plot_is_noticed(
    draw: Callable[[], str], start: str, key: str
) -> None:
    def shift(root: ET.Element) -> None:
        element = shape(root, start)
        element.attrib[key] = str(float(element.attrib[key]) + 0.0101 * (295 if key == "x" else 360 if draw is chart else 210))

    assert structure_of(changed(draw(), shift)) != structure_of(draw())


def test_a_curve_that_bends_elsewhere_is_noticed() -> None:
    def bend(root: ET.Element) -> None:
        line = next(root.iter(f"{SVG}polyline"))
        first, second, *others = line.attrib["points"].split()
        x, y = second.split(",")
        line.attrib["points"] = " ".join([first, f"{x},{float(y) - 0.0101 * 210}", *others])

    assert structure_of(changed(curve(), bend)) != structure_of(curve())


@CHARTS
def test_other_colours_of_the_same_series_change_nothing_but_one_of_another_series_does(draw: Callable[[], str]) -> None:
    assert structure_of(draw().replace("#0072b2", "#0000ff")) == structure_of(draw())
    assert structure_of(draw().replace("#0072b2", "#0000ff", 1)) != structure_of(draw())
    assert structure_of(draw().replace("#0072b2", "#d55e00")) != structure_of(draw())


def test_a_line_that_is_no_longer_dashed_or_a_label_that_is_no_longer_bold_is_noticed() -> None:
    assert structure_of(chart().replace(' stroke-dasharray="8 5"', "")) != structure_of(chart())
    assert structure_of(chart().replace(' font-weight="bold">hidden', ">hidden")) != structure_of(chart())


def test_another_kind_of_element_is_not_passed_over() -> None:
    with pytest.raises(AssertionError, match="not read"):
        structure_of(changed(chart(), lambda root: root.append(ET.Element(f"{SVG}path"))))
