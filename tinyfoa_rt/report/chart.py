"""The chart of a plan: memory over the steps, block by block, against the budget; SVG written by hand."""

from __future__ import annotations

from tinyfoa_rt.drawing.svg import document, line, rect, text, text_width
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.names import elide, elide_all
from tinyfoa_rt.report.axis import Axis, axis_of, draw_limits, draw_ticks
from tinyfoa_rt.report.panels import COLORS, draw_bar, draw_panel
from tinyfoa_rt.report.peaks import num_steps, peak_block, ram_buffers
from tinyfoa_rt.steps.methods import method_of
from tinyfoa_rt.units import format_nbytes

__all__ = ["render_chart"]

_MOST_PANELS = 24
_WIDTH = 1160.0
_LEFT, _RIGHT, _TOP = 84.0, 136.0, 112.0
_PLOT_HEIGHT = 360.0
_LEVEL_ROOM, _SLANTED_ROOM = 56.0, 142.0
_SLANT = 35
_LONGEST_LABEL = 24
_LEAST_LEVEL = 110


def render_chart(plan: Plan) -> str:
    """Return the chart as the text of an SVG file; the same plan gives the same text.

    Up to 24 blocks stand side by side, each with its steps from left to right; a buffer is a rectangle over the steps that it
    lives for, at its offset, or piled on those below where an allocator places it. More blocks are one bar each.
    """
    has_panels = len(plan.blocks) <= _MOST_PANELS
    axis = axis_of(plan, _LEFT, _WIDTH - _RIGHT, _TOP, _TOP + _PLOT_HEIGHT)
    blocks, label_room = _panels(plan, axis) if has_panels else _bars(plan, axis)
    body = [*_heading(plan, has_panels), *_legend(plan), *draw_ticks(axis), *blocks, *draw_limits(plan, axis)]
    body.append(line((axis.left, axis.bottom), (axis.right, axis.bottom), stroke="#444444"))
    body.append(line((axis.left, axis.top), (axis.left, axis.bottom), stroke="#444444"))
    return document((_WIDTH, axis.bottom + label_room), _title(plan), _description(plan), body)


def _title(plan: Plan) -> str:
    verdict = "fits" if plan.feasible else "does not fit"
    where = elide(plan.profile.name, 30)
    return f"Training memory of {elide(plan.model, 60)} on {where}: {verdict} {format_nbytes(plan.budget_bytes)}"


def _description(plan: Plan) -> str:
    tightest = peak_block(plan)
    return (
        f"{len(plan.blocks)} blocks; the peak of {plan.peak_bytes:,} bytes is in block {elide(tightest.name, 60)}; "
        f"the budget is {plan.budget_bytes:,} bytes."
    )


def _heading(plan: Plan, has_panels: bool) -> list[str]:
    error = method_of(plan.options.method).title(plan.options)
    settings = f"batch {plan.batch}, {plan.options.optimizer}, {plan.options.schedule} schedule, {error}"
    reading = "steps from left to right" if has_panels else "one bar a block: its peak"
    return [
        text(_LEFT, 34, _title(plan), font_size=18, font_weight="bold"),
        text(_LEFT, 56, f"{settings}; {reading}; peak in block {elide(peak_block(plan).name, 40)}", fill="#555555"),
    ]


def _legend(plan: Plan) -> list[str]:
    used = {buffer.category for block in plan.blocks for buffer in ram_buffers(block)}
    parts = []
    x = _LEFT
    for category, color in COLORS.items():
        if category in used:
            parts += [rect(x, 73, 13, 13, fill=color), text(x + 19, 84, category)]
            x += 19 + text_width(category) + 18
    return parts


def _panels(plan: Plan, axis: Axis) -> tuple[list[str], float]:
    """The panels side by side, and the pixels that their labels need below."""
    count = len(plan.blocks)
    gap = 14.0 if count <= 12 else 7.0
    steps = sum(num_steps(block) for block in plan.blocks)
    step_width = (axis.right - axis.left - gap * (count + 1)) / steps
    widths = [num_steps(block) * step_width for block in plan.blocks]
    is_level = min(widths) >= _LEAST_LEVEL
    parts: list[str] = []
    x = axis.left + gap
    names = [block.name for block in plan.blocks]
    shown = names if is_level else elide_all(names, _LONGEST_LABEL)
    for block, name, width in zip(plan.blocks, shown, widths):
        parts += draw_panel(block, axis, x, step_width)
        style: dict[str, object] = {"font_weight": "bold"} if block is peak_block(plan) else {}
        parts.append(_label(name, x + width / 2, axis.bottom + 28, style, int(width / 7.2) if is_level else None))
        x += width + gap
    return parts, _LEVEL_ROOM if is_level else _SLANTED_ROOM


def _bars(plan: Plan, axis: Axis) -> tuple[list[str], float]:
    count = len(plan.blocks)
    pitch = (axis.right - axis.left) / count
    width = pitch * (0.8 if pitch > 4 else 1.0)
    every = next(n for base in range(9) for n in (10**base, 2 * 10**base, 5 * 10**base) if n * pitch >= 44)
    parts: list[str] = []
    for index, block in enumerate(plan.blocks):
        x = axis.left + index * pitch + (pitch - width) / 2
        parts += draw_bar(block, axis, x, width)
        if (index + 1) % every == 0 or index == 0:
            parts.append(text(x + width / 2, axis.bottom + 18, str(index + 1), text_anchor="middle", fill="#555555"))
    parts.append(text((axis.left + axis.right) / 2, axis.bottom + 42, "block, in the order of training", text_anchor="middle"))
    return parts, _LEVEL_ROOM


def _label(name: str, x: float, y: float, style: dict[str, object], room: int | None) -> str:
    """A block's name below its panel: level where it has ``room`` characters, else slanted."""
    if room is not None:
        return text(x, y, elide(name, room), text_anchor="middle", **style)
    turn = f"rotate({_SLANT} {x:.2f} {y - 6:.2f})"
    return text(x - 3, y - 4, name, text_anchor="start", transform=turn, **style)
