"""One panel of the curve: a quantity over the steps, a line a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyfoa_rt.drawing.scale import Scale, accuracy_scale, loss_scale
from tinyfoa_rt.drawing.series import QUANTITIES, Point, Row, in_words, thinned
from tinyfoa_rt.drawing.svg import circle, line, polygon, polyline, rect, text

__all__ = ["Panel", "draw_axes", "draw_ground", "draw_panel", "panels_of"]

_MOST_POINTS = 500
_MOST_MARKERS = 80
_HEIGHT = 210.0
_GAP = 56.0
_ABOVE = 14.0


@dataclass(frozen=True)
class Panel:
    """A quantity, its points by block, and where it is drawn."""

    quantity: str
    points: Mapping[str, Sequence[Point]]
    y: Scale

    @property
    def top(self) -> float:
        return self.y.stop

    @property
    def bottom(self) -> float:
        return self.y.start

    @property
    def label_y(self) -> float:
        """The baseline of what is written above the panel."""
        return self.top - _ABOVE

    def tick_text(self, value: float) -> str:
        return f"{value:,.4g}" if self.quantity == "loss" else f"{value:.4g} %"


def panels_of(rows: Sequence[Row], top: float) -> list[Panel]:
    """Return a panel for the loss and one for the accuracy below it, as far as they were measured."""
    panels = []
    for quantity, scale_of in zip(QUANTITIES, (loss_scale, accuracy_scale)):
        points = _points(rows, quantity)
        values = [value for series in points.values() for point in series for value in (point.low, point.high)]
        if values:
            panels.append(Panel(quantity, points, scale_of(values, top + _HEIGHT, top)))
            top += _HEIGHT + _GAP
    return panels


def draw_panel(panel: Panel, x: Scale, colors: Mapping[str, str], separators: Sequence[float]) -> list[str]:
    """Return the panel: ground, ticks, dashed lines at the pixels ``separators``, then the curves."""
    parts = draw_ground(panel, x)
    for pixel in separators:
        parts.append(line((pixel, panel.top), (pixel, panel.bottom), stroke="#9a9a9a", stroke_dasharray="4 4"))
    has_markers = sum(len(series) for series in panel.points.values()) <= _MOST_MARKERS
    for block, series in panel.points.items():
        parts += _draw_series(panel, series, x, colors[block], has_markers)
    return [*parts, *draw_axes(panel, x)]


def draw_ground(panel: Panel, x: Scale) -> list[str]:
    """Return what lies below the points: a grey ground, a line and a label at each tick, the name of the quantity."""
    left, right = x.start, x.stop
    parts = [rect(left, panel.top, right - left, panel.bottom - panel.top, fill="#f7f7f7")]
    for tick in panel.y.ticks:
        y = panel.y(tick)
        parts.append(line((left, y), (right, y), stroke="#e2e2e2"))
        parts.append(text(left - 8, y + 4, panel.tick_text(tick), text_anchor="end", fill="#555555"))
    parts.append(text(left - 8, panel.label_y, panel.quantity, text_anchor="end", font_weight="bold"))
    return parts


def draw_axes(panel: Panel, x: Scale) -> list[str]:
    return [
        line((x.start, panel.bottom), (x.stop, panel.bottom), stroke="#444444"),
        line((x.start, panel.top), (x.start, panel.bottom), stroke="#444444"),
    ]


def _points(rows: Sequence[Row], quantity: str) -> dict[str, list[Point]]:
    """The points of each block, together about as many as there is room for."""
    by_block: dict[str, list[Row]] = {}
    for row in rows:
        if getattr(row, quantity) is not None:
            by_block.setdefault(row.block, []).append(row)
    rows_a_point = -(-sum(map(len, by_block.values())) // _MOST_POINTS)
    return {block: thinned(own, quantity, rows_a_point) for block, own in by_block.items()}


def _draw_series(panel: Panel, series: Sequence[Point], x: Scale, color: str, has_markers: bool) -> list[str]:
    parts = []
    if any(point.low < point.high for point in series):
        upper = [(x(point.step), panel.y(point.high)) for point in series]
        lower = [(x(point.step), panel.y(point.low)) for point in reversed(series)]
        parts.append(polygon([*upper, *lower], fill=color, fill_opacity=0.18))
    places = [(x(point.step), panel.y(point.mean)) for point in series]
    if len(places) > 1:
        parts.append(polyline(places, stroke=color, stroke_width=1.8, stroke_linejoin="round"))
    if has_markers or len(places) == 1:
        for place, point in zip(places, series):
            tooltip = f"{point.label}: {panel.quantity} {in_words(panel.quantity, point.mean)}"
            parts.append(circle(place, 2.6, tooltip=tooltip, fill=color, stroke="#ffffff", stroke_width=0.8))
    return parts
