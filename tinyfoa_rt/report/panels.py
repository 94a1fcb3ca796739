"""What the chart shows of a block: its buffers over its steps, or one bar for its peak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinyfoa_rt.drawing.svg import rect
from tinyfoa_rt.ir.plan import BlockPlan, Category, PlannedBuffer
from tinyfoa_rt.report.axis import Axis
from tinyfoa_rt.report.peaks import largest_at_peak, num_steps, ram_buffers
from tinyfoa_rt.units import format_nbytes

__all__ = ["COLORS", "draw_bar", "draw_panel"]

# Okabe and Ito's palette, told apart by colour-blind readers too; order is that of the legend.
COLORS: dict[Category, str] = {
    "weight": "#0072b2",
    "state": "#56b4e9",
    "activation": "#009e73",
    "gradient": "#d55e00",
    "head": "#cc79a7",
    "scratch": "#f0e442",
    "forward": "#b8b8b8",
}
_RULER = 8


def draw_panel(block: BlockPlan, axis: Axis, x: float, step_width: float) -> list[str]:
    """Return the block's RAM buffers over its steps, and a ruler below whose marks name the steps."""
    width = num_steps(block) * step_width
    parts = [rect(x, axis.top, width, axis.bottom - axis.top, fill="#f7f7f7")]
    for buffer, first, last, offset in _spans(block):
        top, bottom = axis.y(offset + buffer.bytes), axis.y(offset)
        tooltip = f"{buffer.name}: {buffer.bytes:,} bytes, steps {buffer.first_step} to {buffer.last_step} ({buffer.category})"
        shape = (x + first * step_width, top, (last - first + 1) * step_width, bottom - top)
        edge: dict[str, Any] = {"stroke": "#ffffff", "stroke_width": 0.6} if bottom - top > 3 and step_width > 3 else {}
        parts.append(rect(*shape, tooltip=tooltip, fill=COLORS[buffer.category], **edge))
    for step in range(num_steps(block)):
        name = block.steps[step] if step < len(block.steps) else "step"
        shade = "#c4c4c4" if step % 2 else "#8a8a8a"
        parts.append(rect(x + step * step_width, axis.bottom + 3, step_width, _RULER, tooltip=f"step {step}: {name}", fill=shade))
    return parts


def draw_bar(block: BlockPlan, axis: Axis, x: float, width: float) -> list[str]:
    """Return one bar as high as the block's peak, coloured by what is live in its peak step; gaps stay grey."""
    summary = f"{block.name}: {block.peak_bytes:,} bytes ({format_nbytes(block.peak_bytes)})"
    top = axis.y(block.peak_bytes)
    parts = [rect(x, top, width, axis.bottom - top, tooltip=summary, fill="#e6e6e6")]
    live = largest_at_peak(block)
    base = 0
    for category, color in COLORS.items():
        nbytes = sum(buffer.bytes for buffer in live if buffer.category == category)
        if nbytes:
            low, high = axis.y(base), axis.y(base + nbytes)
            parts.append(rect(x, high, width, low - high, tooltip=f"{summary}; {category} {nbytes:,} bytes", fill=color))
        base += nbytes
    return parts


def _spans(block: BlockPlan) -> Iterator[tuple[PlannedBuffer, int, int, int]]:
    """Yield rectangles (buffer, first step, last step, offset): as placed, or piled up step by step by an allocator."""
    unplaced = [buffer for buffer in ram_buffers(block) if buffer.offset is None]
    for buffer in ram_buffers(block):
        if buffer.offset is not None:
            yield buffer, buffer.first_step, buffer.last_step, buffer.offset
    levels = [0] * num_steps(block)
    for buffer in sorted(unplaced, key=lambda b: b.first_step - b.last_step):
        start = buffer.first_step
        for step in range(buffer.first_step, buffer.last_step + 1):
            if step == buffer.last_step or levels[step + 1] != levels[step]:
                yield buffer, start, step, levels[start]
                start = step + 1
        for step in range(buffer.first_step, buffer.last_step + 1):
            levels[step] += buffer.bytes
