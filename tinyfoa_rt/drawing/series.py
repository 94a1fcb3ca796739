"""Rows of metrics as series of points, one a block, thinned to what a screen can show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

__all__ = ["QUANTITIES", "Ends", "Point", "Row", "Stretch", "ends_of", "in_words", "rows_of", "stretches_of", "thinned"]

QUANTITIES = ("loss", "accuracy")
Ends = dict[str, float]  # the last known value of each quantity

# Larger numbers come from a training that has diverged, or from a damaged file.
_LARGEST = 1e30
_LARGEST_STEP = 2**53


@dataclass(frozen=True)
class Row:
    """One row of metrics: ``loss``, and ``accuracy`` in percent, are ``None`` where they are not known."""

    step: int
    block: str
    epoch: int | None
    loss: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Point:
    """The mean of a quantity over neighbouring rows, and its range; ``label`` says where a single row comes from."""

    step: float
    mean: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Stretch:
    """The steps in which one block was trained, from ``first`` to ``last``."""

    block: str
    first: int
    last: int


def rows_of(metrics: Iterable[Mapping[str, object]]) -> list[Row]:
    """Return the rows that have a step and a block, by step; others are for other readers."""
    rows = []
    for values in metrics:
        step, block, epoch = values.get("step"), values.get("block"), values.get("epoch")
        if type(step) is int and abs(step) < _LARGEST_STEP and isinstance(block, str):
            accuracy = _number(values.get("accuracy"))
            percent = None if accuracy is None else 100 * accuracy
            rows.append(Row(step, block, epoch if type(epoch) is int else None, _number(values.get("loss")), percent))
    return sorted(rows, key=lambda row: row.step)


def stretches_of(rows: Sequence[Row]) -> list[Stretch]:
    """Return one stretch a block where blocks were trained one after the other; none where they took turns."""
    stretches = []
    for block, group in groupby(rows, key=lambda row: row.block):
        steps = [row.step for row in group]
        stretches.append(Stretch(block, steps[0], steps[-1]))
    return stretches if len({stretch.block for stretch in stretches}) == len(stretches) else []


def ends_of(rows: Sequence[Row]) -> tuple[Ends, dict[str, Ends]]:
    """Return the last known values of all, and of each block in the order in which they first come."""
    overall: Ends = {}
    by_block: dict[str, Ends] = {}
    for row in rows:
        found = {quantity: value for quantity in QUANTITIES if (value := getattr(row, quantity)) is not None}
        overall.update(found)
        by_block.setdefault(row.block, {}).update(found)
    return {quantity: overall[quantity] for quantity in QUANTITIES if quantity in overall}, by_block


def in_words(quantity: str, value: float) -> str:
    return f"{value:.3g}" if quantity == "loss" else f"{value:.1f} %"


def thinned(rows: Sequence[Row], quantity: str, rows_a_point: int) -> list[Point]:
    """Return the points of one block for ``loss`` or ``accuracy``, each made of up to ``rows_a_point`` rows that have it."""
    known = [(row, value) for row in rows if (value := getattr(row, quantity)) is not None]
    points = []
    for start in range(0, len(known), rows_a_point):
        part = known[start : start + rows_a_point]
        values = [value for _, value in part]
        step = sum(row.step for row, _ in part) / len(part)
        points.append(Point(step, math.fsum(values) / len(values), min(values), max(values), _label(part[-1][0])))
    return points


def _label(row: Row) -> str:
    epoch = "" if row.epoch is None else f", epoch {row.epoch:,}"
    return f"{row.block}{epoch}, step {row.step:,}"


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    return None
