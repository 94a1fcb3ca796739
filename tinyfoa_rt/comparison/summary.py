"""Rows of the table: the runs of a method in a budget, over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinyfoa_rt.comparison.result import Measures, Result
from tinyfoa_rt.units import format_nbytes

__all__ = ["Row", "Spread", "has_accuracy", "rows_of"]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a sample (divided by n - 1); of one value the deviation is not known."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Row:
    """A method in a budget; ``results`` has one entry a seed, in order."""

    method: str
    budget_bytes: int | None
    results: tuple[Result, ...]

    @property
    def budget(self) -> str:
        return "board" if self.budget_bytes is None else format_nbytes(self.budget_bytes)

    @property
    def is_whole(self) -> bool:
        """Whether every run came to its end."""
        return len(self.trained) == len(self.results)

    @property
    def seeds(self) -> str:
        """How many runs came to their end: ``3``, or ``1 of 3``."""
        return str(len(self.results)) if self.is_whole else f"{len(self.trained)} of {len(self.results)}"

    @property
    def trained(self) -> list[Measures]:
        """What was measured of the runs that came to their end."""
        return [each.measures for each in self.results if each.measures is not None]

    @property
    def needed_bytes(self) -> int | None:
        """The least budget that would do, where this one does not."""
        return next((each.needed_bytes for each in self.results if each.needed_bytes is not None), None)

    @property
    def sentence(self) -> str:
        """What the plan says; or why the first run that was not trained to its end was not."""
        return next((each for each in self.results if each.measures is None), self.results[0]).sentence

    def spread(self, quantity: str) -> Spread | None:
        """Of a field of :class:`Measures`; ``None`` where it was not measured in each run that came to its end."""
        values = [getattr(each, quantity) for each in self.trained]
        if not values or None in values:
            return None
        return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)

    def most(self, quantity: str) -> int | None:
        """The largest of a field in bytes; as :meth:`spread`."""
        values = [getattr(each, quantity) for each in self.trained]
        return None if not values or None in values else max(values)

    @property
    def milliseconds_a_step(self) -> float | None:
        steps = sum(each.steps for each in self.trained)
        return 1000 * sum(each.seconds for each in self.trained) / steps if steps else None


def rows_of(results: Iterable[Result]) -> list[Row]:
    """Return the rows, the best first; by loss where nothing has an accuracy. What was not trained comes last."""
    by_key: dict[tuple[str, int | None], list[Result]] = {}
    for result in results:
        by_key.setdefault((result.method, result.budget_bytes), []).append(result)
    rows = [Row(method, budget, tuple(found)) for (method, budget), found in by_key.items()]
    return sorted(rows, key=_rank)


def _rank(row: Row) -> tuple[bool, float]:
    accuracy, loss = row.spread("accuracy"), row.spread("loss")
    return not row.trained, -accuracy.mean if accuracy is not None else loss.mean if loss is not None else 0.0


def has_accuracy(rows: Sequence[Row]) -> bool:
    """Whether classes were predicted; else numbers were."""
    return any(row.spread("accuracy") is not None for row in rows)
