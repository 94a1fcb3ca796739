"""The table of a comparison: for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tinyfoa_rt.comparison.result import Result
from tinyfoa_rt.comparison.summary import Row, Spread, has_accuracy
from tinyfoa_rt.names import elide, elide_all
from tinyfoa_rt.units import format_nbytes

__all__ = ["cells_of", "column_names", "csv_table", "in_a_line", "markdown_table", "refusal_of", "terminal_parts"]

_NAME_WIDTH = 26
_LONGEST_REASON = 120
_NONE = "-"


def column_names(rows: Sequence[Row]) -> list[str]:
    """Return the titles of what :func:`cells_of` returns."""
    quality = ["accuracy, %", "balanced, %", "loss"] if has_accuracy(rows) else ["loss"]
    return ["method", "budget", "seeds", *quality, "planned RAM", "measured RAM", "written", "ms a step", "seconds"]


def cells_of(row: Row, rows: Sequence[Row]) -> list[str]:
    """Return a row for people; where nothing was trained, the cell behind the seeds says why."""
    columns = column_names(rows)
    if not row.trained:
        return [row.method, row.budget, row.seeds, refusal_of(row), *[""] * (len(columns) - 4)]
    quality = [_percent(row.spread("accuracy")), _percent(row.spread("balanced_accuracy"))] if has_accuracy(rows) else []
    quality.append(_loss(row.spread("loss")))
    memory = [_nbytes(row.most(name)) for name in ("planned_bytes", "measured_bytes", "written_bytes")]
    milliseconds, seconds = row.milliseconds_a_step, row.spread("seconds")
    times = [f"{milliseconds or 0:,.3g}", f"{seconds.mean:,.{1 if seconds.mean < 100 else 0}f}" if seconds else _NONE]
    return [row.method, row.budget, row.seeds, *quality, *memory, *times]


def refusal_of(row: Row) -> str:
    """Return in a few words why nothing was trained, or not with every seed."""
    if row.needed_bytes is not None:
        return f"needs {format_nbytes(row.needed_bytes)} ({row.needed_bytes:,} bytes)"
    share = f"{row.seeds} seeds trained" if row.trained else "not trained"
    return f"{share}: {elide(row.sentence, _LONGEST_REASON)}"


def in_a_line(result: Result) -> str:
    """Return what a run came to."""
    found = result.measures
    if found is None:
        return refusal_of(Row(result.method, result.budget_bytes, (result,)))
    quality = f"loss {found.loss:.4g}" if found.accuracy is None else f"accuracy {found.accuracy:.2%}"
    return f"{quality}, {found.planned_bytes:,} bytes planned, {found.seconds:,.0f} s"


def markdown_table(rows: Sequence[Row]) -> str:
    """Return the table as Markdown; a value is the mean over the seeds, with its standard deviation."""
    columns = column_names(rows)
    lines = [columns, ["---", "---", *["--:"] * (len(columns) - 2)]]
    lines += [[cell.replace("|", "\\|") for cell in cells_of(row, rows)] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def csv_table(rows: Sequence[Row]) -> str:
    """Return the table as CSV: shares from 0 to 1, bytes and seconds as numbers, nothing where nothing is known."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    spreads = ("accuracy", "balanced_accuracy", "loss")
    memory = ("planned_bytes", "measured_bytes", "written_bytes")
    names = [name for quantity in spreads for name in (f"{quantity}_mean", f"{quantity}_sd")]
    writer.writerow(["method", "budget_bytes", "seeds", *names, *memory, "ms_a_step", "seconds", "needed_bytes", "sentence"])
    for row in rows:
        found = [value for quantity in spreads for value in _mean_and_deviation(row.spread(quantity))]
        seconds = row.spread("seconds")
        times = [row.milliseconds_a_step, seconds.mean if seconds else None]
        known = [row.budget_bytes, len(row.trained), *found, *(row.most(name) for name in memory), *times, row.needed_bytes]
        writer.writerow(
            [row.method, *("" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in known), row.sentence]
        )
    return out.getvalue()


def terminal_parts(rows: Sequence[Row]) -> list[RenderableType]:
    """Return the table for 100 columns, without the loss of classifiers and the time of a step; and the refusals below it."""
    names = dict(zip(rows, elide_all([row.method for row in rows], _NAME_WIDTH)))
    left_out = {"seeds", "ms a step", *(("loss",) if has_accuracy(rows) else ())}
    shown = [index for index, name in enumerate(column_names(rows)) if name not in left_out]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for index in shown:
        title = column_names(rows)[index].removesuffix(" RAM")
        table.add_column(Text(title), justify="right" if index > 1 else "left", no_wrap=True)
    for row in rows:
        if row.trained:
            cells = [names[row], *cells_of(row, rows)[1:]]
            table.add_row(*(Text(cells[index]) for index in shown))
    refused = [Text(f"{names[row]}, {row.budget}: {refusal_of(row)}") for row in rows if not row.is_whole]
    return [*([table] if table.rows else []), *refused]


def _mean_and_deviation(spread: Spread | None) -> tuple[float | None, float | None]:
    return (None, None) if spread is None else (spread.mean, spread.deviation)


def _percent(spread: Spread | None) -> str:
    if spread is None:
        return _NONE
    deviation = "" if spread.deviation is None else f" ± {100 * spread.deviation:.2f}"
    return f"{100 * spread.mean:.2f}{deviation}"


def _loss(spread: Spread | None) -> str:
    if spread is None:
        return _NONE
    return f"{spread.mean:.4g}" + ("" if spread.deviation is None else f" ± {spread.deviation:.2g}")


def _nbytes(nbytes: int | None) -> str:
    return _NONE if nbytes is None else format_nbytes(nbytes)
