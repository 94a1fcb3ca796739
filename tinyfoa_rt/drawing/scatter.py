"""Points of several series over a number of bytes: what each series comes to, and what it takes; SVG written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tinyfoa_rt.drawing.palette import COLORS
from tinyfoa_rt.drawing.panel import Panel, draw_axes, draw_ground
from tinyfoa_rt.drawing.scale import Scale, accuracy_scale, byte_scale, loss_scale
from tinyfoa_rt.drawing.series import Point, in_words
from tinyfoa_rt.drawing.svg import circle, document, line, polygon, polyline, text, text_width
from tinyfoa_rt.names import elide

__all__ = ["Dot", "render_scatter"]

_WIDTH = 960.0
_LEFT, _RIGHT, _TOP = 76.0, 28.0, 92.0
_HEIGHT = 340.0
_LEGEND = 62.0
_ROW = 20.0
_FOOTER = 20.0
_LONGEST_NAME = 60
_RADIUS = 4.2


@dataclass(frozen=True)
class Dot:
    """A point of a series: bytes, a loss or an accuracy from 0 to 1, and what is said of it beside its value."""

    series: str
    nbytes: int
    value: float
    label: str


def render_scatter(dots: Sequence[Dot], title: str, quantity: str, names: tuple[str, Callable[[int], str]]) -> str:
    """Return the chart as the text of an SVG file; a thin line joins the means of a series at each number of bytes.

    Args:
        dots: in the order in which the legend shall have their series.
        title: the heading.
        quantity: ``loss`` or ``accuracy``.
        names: the title of the axis of bytes, and what a number of bytes is written as.
    """
    if not dots:
        body = [text(_LEFT, 34, elide(title, 90), font_size=18, font_weight="bold"), text(_LEFT, 60, "nothing was trained yet")]
        return document((_WIDTH, 88), title, "Nothing was trained yet.", body)
    factor, scale_of = (100, accuracy_scale) if quantity == "accuracy" else (1, loss_scale)
    series = list(dict.fromkeys(dot.series for dot in dots))
    points = {name: [_point(dot, factor) for dot in dots if dot.series == name] for name in series}
    x = byte_scale([dot.nbytes for dot in dots], _LEFT, _WIDTH - _RIGHT)
    panel = Panel(quantity, points, scale_of([factor * dot.value for dot in dots], _TOP + _HEIGHT, _TOP))
    body = [text(_LEFT, 34, elide(title, 90), font_size=18, font_weight="bold")]
    body += [text(_LEFT, 56, f"a point a run, over {names[0]}; lines join the means", fill="#555555"), *draw_ground(panel, x)]
    body += _bytes_below(x, panel.bottom, names)
    for index, name in enumerate(series):
        body += _draw_means(panel, points[name], x, COLORS[index % len(COLORS)])
    for index, name in enumerate(series):
        for point in points[name]:
            tooltip = f"{point.label}: {quantity} {in_words(quantity, point.mean)}, {names[1](int(point.step))}"
            body.append(_mark(index, (x(point.step), panel.y(point.mean)), tooltip))
    legend, bottom = _legend(series, panel.bottom + _LEGEND)
    return document((_WIDTH, bottom + _FOOTER), title, _description(points, quantity), [*body, *draw_axes(panel, x), *legend])


def _point(dot: Dot, factor: float) -> Point:
    value = factor * dot.value
    return Point(dot.nbytes, value, value, value, dot.label)


def _draw_means(panel: Panel, points: Sequence[Point], x: Scale, color: str) -> list[str]:
    """A thin line through the mean at each number of bytes, where there are several."""
    places = []
    for nbytes, group in groupby(sorted(points, key=lambda point: point.step), key=lambda point: point.step):
        values = [point.mean for point in group]
        places.append((x(nbytes), panel.y(sum(values) / len(values))))
    return [polyline(places, stroke=color, stroke_width=1.2, stroke_opacity=0.6)] if len(places) > 1 else []


def _mark(index: int, place: tuple[float, float], tooltip: str) -> str:
    """A circle for the first series of a colour, for the next ones a square, a triangle, a diamond."""
    (x, y), r = place, _RADIUS
    style: dict[str, object] = {
        "fill": COLORS[index % len(COLORS)],
        "stroke": "#ffffff",
        "stroke_width": 0.8,
        "fill_opacity": 0.85,
    }
    shapes = (
        [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
        [(x - 1.2 * r, y + r), (x, y - 1.3 * r), (x + 1.2 * r, y + r)],
        [(x, y - 1.4 * r), (x + 1.2 * r, y), (x, y + 1.4 * r), (x - 1.2 * r, y)],
    )
    number = index // len(COLORS) % (1 + len(shapes))
    return circle(place, r, tooltip=tooltip, **style) if number == 0 else polygon(shapes[number - 1], tooltip=tooltip, **style)


def _bytes_below(x: Scale, bottom: float, names: tuple[str, Callable[[int], str]]) -> list[str]:
    parts = []
    for tick in x.ticks:
        parts.append(line((x(tick), bottom), (x(tick), bottom + 5), stroke="#444444"))
        parts.append(text(x(tick), bottom + 19, names[1](int(tick)), text_anchor="middle", fill="#555555"))
    parts.append(text((x.start + x.stop) / 2, bottom + 38, names[0], text_anchor="middle"))
    return parts


def _legend(series: Sequence[str], top: float) -> tuple[list[str], float]:
    """A mark and a name a series, in columns; and where they end."""
    labels = [elide(name, _LONGEST_NAME) for name in series]
    column = max(map(text_width, labels)) + 40
    num_columns = max(1, int((_WIDTH - _LEFT - _RIGHT) / column))
    parts = []
    y = top
    for index, label in enumerate(labels):
        x, y = _LEFT + index % num_columns * column, top + index // num_columns * _ROW
        parts += [_mark(index, (x + 6, y - 4), label), text(x + 18, y, label)]
    return parts, y


def _description(points: dict[str, list[Point]], quantity: str) -> str:
    best = (min if quantity == "loss" else max)(point.mean for own in points.values() for point in own)
    count = sum(map(len, points.values()))
    return f"{count} runs of {len(points)} methods; the best {quantity} is {in_words(quantity, best)}."
