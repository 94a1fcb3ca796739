"""From values to pixels, and the few round values that an axis is labelled with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Scale", "accuracy_scale", "byte_scale", "loss_scale", "step_scale"]

# Beyond this ratio of the largest to the smallest value, a linear axis would press the end of a curve flat.
_LOGARITHMIC_RATIO = 100
_LEAST_SPAN = 1e-9
# How far a logarithmic axis goes beyond its values, which would else lie on the frame.
_ROOM = 1.2
_BYTE_ROOM = 1.5
_MOST_POWERS = 9


@dataclass(frozen=True)
class Scale:
    """Maps ``low`` to the pixel ``start`` and ``high`` to ``stop``; ``ticks`` are values between them."""

    low: float
    high: float
    start: float
    stop: float
    ticks: Sequence[float]
    is_logarithmic: bool = False

    def __call__(self, value: float) -> float:
        if self.is_logarithmic:
            part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + (self.stop - self.start) * min(1.0, max(0.0, part))


def step_scale(steps: Sequence[int], left: float, right: float) -> Scale:
    """Return an axis to the last step, from the first or, unless that is far away, from zero."""
    low, high = min(steps), max(steps)
    if 0 <= low <= (high - low) / 2 or low == high:
        low = min(0, low)
        high = max(high, low + 1)
    spacing = max(1.0, _spacing(high - low, most=8))
    return Scale(low, high, left, right, [tick for tick in _multiples(spacing, low, high) if tick == int(tick)])


def loss_scale(values: Sequence[float], bottom: float, top: float) -> Scale:
    """Return an axis from zero, or a logarithmic one where the values differ by more than a hundred times."""
    low, high = min(values), max(values)
    if low > 0 and high / low > _LOGARITHMIC_RATIO:
        low, high = low / _ROOM, high * _ROOM
        return Scale(low, high, bottom, top, _decades(low, high), is_logarithmic=True)
    low, high = min(0.0, low), max(high, _LEAST_SPAN)
    spacing = _spacing(high - low, most=5)
    low, high = math.floor(low / spacing) * spacing, math.ceil(high / spacing) * spacing
    return Scale(low, high, bottom, top, _multiples(spacing, low, high))


def accuracy_scale(percents: Sequence[float], bottom: float, top: float) -> Scale:
    """Return an axis that holds the values and is not much longer than it must be, but one percent at least."""
    low, high = min(percents), max(percents)
    if high - low < 1:
        low, high = low - 0.5, max(high, min(100.0, high + 0.5))
    spacing = _spacing(high - low, most=5)
    low, high = math.floor(low / spacing) * spacing, math.ceil(high / spacing) * spacing
    return Scale(low, high, bottom, top, _multiples(spacing, low, high))


def byte_scale(values: Sequence[int], left: float, right: float) -> Scale:
    """Return a logarithmic axis around positive numbers of bytes, with powers of two as ticks."""
    low, high = min(values) / _BYTE_ROOM, max(values) * _BYTE_ROOM
    exponents = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
    every = 1 + len(exponents) // _MOST_POWERS
    return Scale(low, high, left, right, [2.0**exponent for exponent in exponents[::every]], is_logarithmic=True)


def _spacing(span: float, *, most: int) -> float:
    """The smallest 1, 2 or 5 times a power of ten that divides ``span`` into at most ``most`` parts."""
    base = 10.0 ** math.floor(math.log10(span / most))
    return next(factor * base for factor in (1, 2, 5, 10, 20) if span / (factor * base) <= most)


def _multiples(spacing: float, low: float, high: float) -> list[float]:
    tolerance = spacing * 1e-6
    first, last = math.ceil((low - tolerance) / spacing), math.floor((high + tolerance) / spacing)
    return [number * spacing for number in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, every second, third or further one where there are many."""
    exponents = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    return [10.0**exponent for exponent in exponents[:: max(1, len(exponents) // 5)]]
