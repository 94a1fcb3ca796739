"""The measured rows in ``docs/frontier.json`` and their chart ``docs/frontier.svg``: accuracy over RAM."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinyfoa_rt.drawing import Dot, render_scatter

__all__ = ["CHART", "ROWS", "Row", "read_rows", "record", "render_rows", "table_of"]

ROWS = Path(__file__).resolve().parents[2] / "docs" / "frontier.json"
CHART = ROWS.with_suffix(".svg")
_CHARTED = "MNIST"


@dataclass(frozen=True)
class Row:
    """A measured row of the frontier.

    Attributes:
        data: the set, as tables name it.
        series: what it shows, as the legend names it.
        network: its line.
        options: what else the command says.
        planned_nbytes: the arena.
        ram_nbytes: all that the program takes of a Cortex-M0's RAM.
        accuracies: of each seed, in percent of the test set.
        balanced: likewise, means over the classes.
    """

    data: str
    series: str
    network: str
    options: str
    planned_nbytes: int
    ram_nbytes: int
    accuracies: Sequence[float]
    balanced: Sequence[float]

    @property
    def accuracy(self) -> float:
        """The mean over the seeds, in percent."""
        return float(np.mean(self.accuracies))


def read_rows(path: Path) -> list[Row]:
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def record(row: Row) -> None:
    """Put the row in place of the one of the same command, and draw the chart anew."""
    rows = [each for each in read_rows(ROWS) if (each.data, each.network, each.options) != (row.data, row.network, row.options)]
    rows = sorted([*rows, row], key=lambda each: (each.data, each.series, each.ram_nbytes))
    ROWS.write_text(json.dumps([asdict(each) for each in rows], indent=1) + "\n", encoding="utf-8")
    CHART.write_text(render_rows(rows), encoding="utf-8")


def render_rows(rows: Sequence[Row]) -> str:
    """Return the chart of MNIST's rows as SVG, each at the bytes that all takes."""
    dots = [
        Dot(row.series, row.ram_nbytes, row.accuracy / 100, f"{row.network}, {row.options}")
        for row in rows
        if row.data == _CHARTED
    ]
    names = "RAM of a Cortex-M0, arena, stack and all else", lambda nbytes: f"{nbytes / 1024:.3g} KB"
    return render_scatter(dots, f"{_CHARTED}, trained in generated C99: accuracy over RAM", "accuracy", names)


def table_of(rows: Sequence[Row]) -> str:
    """Return the rows as docs/RESULTS.md shows them; of several seeds with the spread."""
    lines = ["| data | network | options | arena | RAM, all told | accuracy | balanced |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        spread = f" (spread {np.ptp(row.accuracies):.2f})" if len(row.accuracies) > 1 else " (seed 0)"
        numbers = f"{row.planned_nbytes:,} | {row.ram_nbytes:,} | {row.accuracy:.2f} %{spread} | {np.mean(row.balanced):.2f} %"
        lines.append(f"| {row.data} | `{row.network}` | `{row.options}` | {numbers} |")
    return "\n".join(lines) + "\n"
