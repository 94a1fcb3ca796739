"""The curve of a training, read back as XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drawing.curves import Metrics, interleaved, layer_wise
from tests.drawing.structure import structure_of
from tests.golden_files import check_golden
from tinyfoa_rt.drawing import render_curve

SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = Path(__file__).parent / "golden"
BLOCKS = ["hidden.0", "hidden.2", "classifier"]
CURVES = {
    "few": layer_wise(BLOCKS, 5),
    "many": layer_wise(BLOCKS, 700),
    "turns": interleaved(BLOCKS, 300),
    "narrow": layer_wise([f"block.{number}" for number in range(30)], 4),
    "logarithmic": [{**row, "loss": float(str(row["loss"])) ** 4} for row in layer_wise(BLOCKS, 9)],
    "one": layer_wise(["hidden"], 1),
    "zero": [{"step": step, "block": "b", "loss": 0.0, "accuracy": 1.0} for step in range(3)],
    "no accuracy": [{"step": step, "block": "b", "loss": 1.0} for step in range(3)],
}
each_curve = pytest.mark.parametrize("metrics", CURVES.values(), ids=CURVES)


def parse(metrics: Metrics, title: str = "Training") -> ET.Element:
    return ET.fromstring(render_curve(metrics, title))


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def lines(root: ET.Element) -> list[list[tuple[float, float]]]:
    """The points of each curve."""
    found = []
    for element in root.iter(f"{SVG}polyline"):
        pairs = [pair.split(",") for pair in element.attrib["points"].split()]
        found.append([(float(x), float(y)) for x, y in pairs])
    return found


def separators(root: ET.Element) -> list[ET.Element]:
    return [element for element in root.iter(f"{SVG}line") if element.get("stroke-dasharray")]


@pytest.mark.parametrize("name", ["few", "turns", "narrow", "logarithmic"])
def test_golden_curve(name: str) -> None:
    metrics = CURVES[name] if name != "turns" else interleaved(BLOCKS, 20)
    check_golden(GOLDEN / f"{name}.txt", structure_of(render_curve(metrics, "Training mlp-784-256-256-10")))


@each_curve
def test_it_is_an_accessible_image_whose_curves_lie_inside(metrics: Metrics) -> None:
    root = parse(metrics)
    assert root.attrib["role"] == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    _, _, width, height = (float(value) for value in root.attrib["viewBox"].split())
    frames = [element for element in root.iter(f"{SVG}rect") if element.get("fill") == "#f7f7f7"]
    spans = [(float(f.attrib["y"]), float(f.attrib["y"]) + float(f.attrib["height"])) for f in frames]
    for x, y in [point for curve in lines(root) for point in curve]:
        assert 0 <= x <= width
        assert any(top - 0.01 <= y <= bottom + 0.01 for top, bottom in spans)
    assert max(bottom for _, bottom in spans) < height


@each_curve
def test_the_same_rows_give_the_same_text_in_any_order(metrics: Metrics) -> None:
    if metrics is not CURVES["turns"]:  # rows of one step keep their order there
        assert render_curve(metrics, "t") == render_curve(list(reversed(metrics)), "t")
    assert render_curve(metrics, "t") == render_curve(metrics, "t")


@each_curve
def test_ticks_are_few(metrics: Metrics) -> None:
    labels = texts(parse(metrics))
    percents = [label for label in labels if label.endswith(" %")]
    assert len(labels) - len(percents) < 50
    assert len([label for label in labels if label.replace(",", "").replace(".", "").isdigit()]) < 50


def test_a_falling_loss_falls_and_a_rising_accuracy_rises() -> None:
    curves = lines(parse(CURVES["few"]))
    assert len(curves) == 6
    for index, curve in enumerate(curves):
        ys = [y for _, y in curve]
        assert ys == sorted(ys, reverse=index >= 3)
        assert [x for x, _ in curve] == sorted(x for x, _ in curve)


def test_points_lie_where_their_values_are() -> None:
    metrics: Metrics = [{"step": step, "block": "b", "loss": loss} for step, loss in ((0, 1.0), (5, 0.5), (10, 0.0))]
    ((a, b, c),) = lines(parse(metrics))
    assert b[0] == pytest.approx((a[0] + c[0]) / 2, abs=0.02)
    assert b[1] == pytest.approx((a[1] + c[1]) / 2, abs=0.02)


def test_many_rows_are_thinned_to_means_within_their_range() -> None:
    curves = lines(parse(CURVES["many"]))
    assert sum(map(len, curves[:3])) <= 503
    root = parse(CURVES["many"])
    assert len(list(root.iter(f"{SVG}polygon"))) == 6
    assert not list(root.iter(f"{SVG}circle"))


def test_the_range_of_neighbouring_rows_is_the_band() -> None:
    metrics: Metrics = [{"step": step, "block": "b", "loss": float(step % 2)} for step in range(1000)]
    root = parse(metrics)
    (band,) = root.iter(f"{SVG}polygon")
    heights = {float(pair.split(",")[1]) for pair in band.attrib["points"].split()}
    ((*curve,),) = lines(root)
    assert {y for _, y in curve} == {sum(heights) / 2}


def test_blocks_in_sequence_are_named_above_and_divided() -> None:
    root = parse(CURVES["few"])
    assert set(BLOCKS) <= set(texts(root))
    assert len(separators(root)) == 4  # two in each panel


def test_blocks_in_turns_and_blocks_without_room_have_a_legend() -> None:
    turns = parse(CURVES["turns"])
    assert not separators(turns)
    assert any(label.startswith("hidden.0: loss 0.") for label in texts(turns))
    narrow = parse(CURVES["narrow"])
    assert len(separators(narrow)) == 58
    assert "and 18 more blocks" in texts(narrow)


def test_a_marker_says_where_its_row_comes_from() -> None:
    titles = [title.text for title in parse(CURVES["few"]).iter(f"{SVG}title")]
    assert "hidden.0, epoch 1, step 600: loss 0.889" in titles


def test_large_ratios_are_logarithmic() -> None:
    metrics: Metrics = [{"step": step, "block": "b", "loss": 10.0**-step} for step in range(5)]
    ((*curve,),) = lines(parse(metrics))
    drops = [low[1] - high[1] for high, low in zip(curve, curve[1:])]
    assert drops == pytest.approx([drops[0]] * 4, abs=0.03)
    assert {"1", "0.1", "0.01"} <= set(texts(parse(metrics)))


def test_a_quantity_that_was_not_measured_has_no_panel() -> None:
    labels = texts(parse(CURVES["no accuracy"]))
    assert "loss" in labels
    assert "accuracy" not in labels


@pytest.mark.parametrize("metrics", [[], [{"note": "none"}], [{"step": 1, "block": "b", "loss": None}]])
def test_nothing_to_draw_is_said(metrics: Metrics) -> None:
    assert "nothing was measured yet" in texts(parse(metrics))


def test_names_are_escaped() -> None:
    root = parse([{"step": 1, "block": '<b>&"\x00', "loss": 1.0}], '<title>&"]]>\x1b')
    assert '<title>&"]]>?' in texts(root)
    assert '<b>&"?' in texts(root)


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
NUMBER = st.none() | st.floats() | st.integers() | st.just(10**400)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"step": st.integers() | ANYTHING, "block": st.sampled_from("abc") | ANYTHING},
            optional={"epoch": ANYTHING, "loss": NUMBER, "accuracy": NUMBER | st.floats(0, 1)},
        ),
        max_size=8,
    ),
    st.text(max_size=9),
)
def test_no_rows_break_it(metrics: Metrics, title: str) -> None:
    ET.fromstring(render_curve(metrics, title))
