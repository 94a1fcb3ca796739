"""The frame of the chart: where bytes lie on the page, ticks, the budget, the peak."""

from __future__ import annotations

from dataclasses import dataclass

from tinyfoa_rt.drawing.svg import line, text
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.units import format_nbytes

__all__ = ["Axis", "axis_of", "draw_limits", "draw_ticks"]

_LABEL_HEIGHT = 32
# A budget above this many times the peak would press the blocks flat; it is noted instead.
_FAR = 1.5
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


@dataclass(frozen=True)
class Axis:
    """Pixels of the plot area, and the bytes at its upper edge."""

    left: float
    right: float
    top: float
    bottom: float
    top_nbytes: float

    def y(self, nbytes: float) -> float:
        return self.bottom - (self.bottom - self.top) * min(1.0, nbytes / self.top_nbytes)


def axis_of(plan: Plan, left: float, right: float, top: float, bottom: float) -> Axis:
    """Return an axis on which the peak fits, and the budget too unless it is far above."""
    peak = max(1, plan.peak_bytes)
    highest = peak if _is_far(plan) else max(peak, plan.budget_bytes)
    return Axis(left, right, top, bottom, highest * (1.25 if _is_far(plan) else 1.08))


def _is_far(plan: Plan) -> bool:
    return plan.budget_bytes > _FAR * max(1, plan.peak_bytes)


def draw_ticks(axis: Axis) -> list[str]:
    """Return a thin line and a label at three to six multiples of a power of two."""
    step = 1
    while axis.top_nbytes / step > 6:
        step *= 2
    unit, name = next(known for known in _UNITS if known[0] <= max(1, axis.top_nbytes))
    parts = []
    for nbytes in range(0, int(axis.top_nbytes) + 1, step):
        y = axis.y(nbytes)
        label = f"{nbytes / unit:g} {name}" if nbytes else "0"
        parts.append(line((axis.left, y), (axis.right, y), stroke="#e2e2e2"))
        parts.append(text(axis.left - 8, y + 4, label, text_anchor="end", fill="#555555"))
    return parts


def draw_limits(plan: Plan, axis: Axis) -> list[str]:
    """Return the lines of the budget (dashed) and the peak (dotted), with labels to their right that do not overlap."""
    budget_y, peak_y = axis.y(plan.budget_bytes), axis.y(plan.peak_bytes)
    budget_text, peak_text = _apart(budget_y, peak_y, axis)
    budget_color = "#1a7f37" if plan.feasible or plan.budget_bytes >= plan.peak_bytes else "#b00020"
    x = axis.right + 10
    note = "budget, far above:" if _is_far(plan) else "budget"
    return [
        line((axis.left, budget_y), (axis.right + 6, budget_y), stroke=budget_color, stroke_width=2, stroke_dasharray="8 5"),
        text(x, budget_text, note, fill=budget_color),
        text(x, budget_text + 14, format_nbytes(plan.budget_bytes), fill=budget_color, font_weight="bold"),
        line((axis.left, peak_y), (axis.right + 6, peak_y), stroke="#222222", stroke_width=1.2, stroke_dasharray="2 3"),
        text(x, peak_text, "peak"),
        text(x, peak_text + 14, format_nbytes(plan.peak_bytes), font_weight="bold"),
    ]


def _apart(budget_y: float, peak_y: float, axis: Axis) -> tuple[float, float]:
    """Return baselines for the two labels of two lines each, beside their lines or pushed apart around their middle."""
    distance = abs(budget_y - peak_y)
    push = max(0.0, _LABEL_HEIGHT - distance) / 2
    sign = 1 if budget_y <= peak_y else -1
    budget, peak = budget_y - sign * push, peak_y + sign * push
    lift = max(0.0, max(budget, peak) + 18 - axis.bottom)
    return budget - 2 - lift, peak - 2 - lift
