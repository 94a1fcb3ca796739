"""The curve of a training: loss and accuracy over the steps, coloured by block; SVG written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tinyfoa_rt.drawing.palette import COLORS
from tinyfoa_rt.drawing.panel import Panel, draw_panel, panels_of
from tinyfoa_rt.drawing.scale import Scale, step_scale
from tinyfoa_rt.drawing.series import Ends, Row, Stretch, ends_of, in_words, rows_of, stretches_of
from tinyfoa_rt.drawing.svg import document, line, text, text_width
from tinyfoa_rt.names import elide

__all__ = ["render_curve"]

_WIDTH = 960.0
_LEFT, _RIGHT = 76.0, 28.0
_HEADING = 72.0
_ROW = 20.0
_FOOTER = 56.0
_LEAST_LABEL = 62
_LONGEST_NAME = 28
_MOST_IN_LEGEND = 12


def render_curve(points: Iterable[Mapping[str, object]], title: str) -> str:
    """Return the curve as the text of an SVG file; the same rows give the same text.

    Blocks trained one after the other are divided by dashed lines and named above, each with the values it ended at; blocks that
    took turns are named in a legend. Where there are more rows than a screen can show, a line is the mean of neighbouring
    rows and the band around it their range.

    Args:
        points: rows of metrics.jsonl in any order: ``step`` (int), ``block`` (str), ``epoch`` (int), ``loss``, ``accuracy``
            (0 to 1); numbers may be ``None``, and rows without step or block are passed over.
        title: the heading, from anywhere.
    """
    rows = rows_of(points)
    overall, ends = ends_of(rows)
    if not overall:
        body = [text(_LEFT, 34, elide(title, 90), font_size=18, font_weight="bold"), text(_LEFT, 60, "nothing was measured yet")]
        return document((_WIDTH, 88), title, "Nothing was measured yet.", body)
    colors = {block: COLORS[index % len(COLORS)] for index, block in enumerate(ends)}
    x = step_scale([row.step for row in rows], _LEFT, _WIDTH - _RIGHT)
    stretches = stretches_of(rows)
    edges = _edges(stretches, x)
    is_direct = bool(stretches) and min(right - left for left, right in edges) >= _LEAST_LABEL
    names, top = _names_above(stretches, edges, colors) if is_direct else _legend(ends, colors)
    panels = panels_of(rows, top)
    body = [*_heading(title, overall, rows[-1].step), *names]
    for panel in panels:
        body += draw_panel(panel, x, colors, [left for left, _ in edges[1:]])
        body += _ends_above(panel, stretches, edges, ends) if is_direct else []
    body += _steps_below(x, panels[-1].bottom)
    return document((_WIDTH, panels[-1].bottom + _FOOTER), title, _description(rows, ends), body)


def _heading(title: str, overall: Ends, last_step: int) -> list[str]:
    return [
        text(_LEFT, 34, elide(title, 90), font_size=18, font_weight="bold"),
        text(_LEFT, 56, f"{_listed(overall, ' and ')} at the last step, {last_step:,}", fill="#555555"),
    ]


def _description(rows: Sequence[Row], ends: Mapping[str, Ends]) -> str:
    parts = [f"{elide(block)} ended at {_listed(own, ', ')}" for block, own in list(ends.items())[:_MOST_IN_LEGEND]]
    more = "" if len(parts) == len(ends) else f"; {len(ends) - len(parts):,} more blocks"
    return f"Steps {rows[0].step:,} to {rows[-1].step:,}. {'; '.join(parts)}{more}."


def _listed(ends: Ends, joint: str) -> str:
    return joint.join(f"{quantity} {in_words(quantity, value)}" for quantity, value in ends.items()) or "nothing measured"


def _edges(stretches: Sequence[Stretch], x: Scale) -> list[tuple[float, float]]:
    """Pixels that each stretch takes: half way to its neighbours, and all of the panel at its ends."""
    middles = [(x(one.last) + x(next_one.first)) / 2 for one, next_one in zip(stretches, stretches[1:])]
    return list(zip([x.start, *middles], [*middles, x.stop])) if stretches else []


def _names_above(
    stretches: Sequence[Stretch], edges: Sequence[tuple[float, float]], colors: Mapping[str, str]
) -> tuple[list[str], float]:
    """The names of the blocks, each above its stretch, and where the first panel begins."""
    parts = []
    y = _HEADING + 18
    for stretch, (left, right) in zip(stretches, edges):
        name = elide(stretch.block, max(4, int((right - left - 26) / 7.2)))
        middle, half = (left + right) / 2, min(text_width(name), right - left - 26) / 2 + 11
        parts.append(line((middle - half, y - 4), (middle - half + 14, y - 4), stroke=colors[stretch.block], stroke_width=3))
        parts.append(text(middle - half + 20, y, name, font_weight="bold"))
    return parts, y + 38


def _ends_above(
    panel: Panel, stretches: Sequence[Stretch], edges: Sequence[tuple[float, float]], ends: Mapping[str, Ends]
) -> list[str]:
    """The value that each block ended at, above its stretch of the panel."""
    parts = []
    for stretch, (left, right) in zip(stretches, edges):
        value = ends[stretch.block].get(panel.quantity)
        if value is not None:
            label = in_words(panel.quantity, value)
            parts.append(text((left + right) / 2, panel.label_y, label, text_anchor="middle", fill="#555555"))
    return parts


def _legend(ends: Mapping[str, Ends], colors: Mapping[str, str]) -> tuple[list[str], float]:
    """A swatch, a name and last values a block, in columns; and where the first panel begins."""
    shown = list(ends)[:_MOST_IN_LEGEND]
    labels = [f"{elide(block, _LONGEST_NAME)}: {_listed(ends[block], ', ')}" for block in shown]
    if len(colors) > len(shown):
        labels.append(f"and {len(colors) - len(shown):,} more blocks")
    column = max(map(text_width, labels)) + 44
    num_columns = max(1, int((_WIDTH - _LEFT - _RIGHT) / column))
    parts = []
    y = _HEADING + 18
    for index, label in enumerate(labels):
        x, y = _LEFT + index % num_columns * column, _HEADING + 18 + index // num_columns * _ROW
        if index < len(shown):
            parts.append(line((x, y - 4), (x + 14, y - 4), stroke=colors[shown[index]], stroke_width=3))
        parts.append(text(x + 20, y, label))
    return parts, y + 42


def _steps_below(x: Scale, bottom: float) -> list[str]:
    parts = []
    for tick in x.ticks:
        parts.append(line((x(tick), bottom), (x(tick), bottom + 5), stroke="#444444"))
        parts.append(text(x(tick), bottom + 19, f"{tick:,.0f}", text_anchor="middle", fill="#555555"))
    parts.append(text((x.start + x.stop) / 2, bottom + 40, "step", text_anchor="middle"))
    return parts
