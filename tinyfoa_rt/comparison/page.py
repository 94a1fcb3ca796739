"""What a comparison leaves in its folder: tables, the chart, and one page with everything, which opens without any other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tinyfoa_rt.comparison.experiment import Experiment, Run
from tinyfoa_rt.comparison.summary import Row, has_accuracy
from tinyfoa_rt.comparison.table import cells_of, column_names, csv_table, markdown_table, refusal_of
from tinyfoa_rt.drawing import Dot, render_scatter
from tinyfoa_rt.files import write_whole
from tinyfoa_rt.names import visible
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.units import format_nbytes

__all__ = ["Report", "chart_of", "page_of", "write_report"]

PAGE, MARKDOWN, CSV, CHART = "report.html", "table.md", "table.csv", "chart.svg"


@dataclass(frozen=True)
class Report:
    """What a page says beside its rows: the model's name, the paths of model and data as they were given, and what was asked.

    ``inputs`` are the words of a command line about the model's inputs.
    """

    title: str
    model: str
    data: str
    experiment: Experiment
    inputs: Sequence[str] = ()


def write_report(folder: Path, report: Report, rows: Sequence[Row]) -> None:
    """Write the files into ``folder``.

    Raises:
        InputError: it cannot be written to.
    """
    texts = {PAGE: page_of(report, rows), MARKDOWN: markdown_table(rows), CSV: csv_table(rows), CHART: chart_of(report, rows)}
    for name, content in texts.items():
        write_whole(folder / name, content.encode())


def chart_of(report: Report, rows: Sequence[Row]) -> str:
    """Return the chart, SVG: a point a run, its accuracy (or its loss, where numbers are predicted) over the planned RAM."""
    quantity = "accuracy" if has_accuracy(rows) else "loss"
    dots = []
    for row in rows:
        for each in row.results:
            value = None if each.measures is None else getattr(each.measures, quantity)
            if each.measures is not None and value is not None:
                label = f"{row.method}, budget {row.budget}, seed {each.seed}"
                dots.append(Dot(row.method, each.measures.planned_bytes, value, label))
    return render_scatter(dots, report.title, quantity, ("planned RAM of a training step", format_nbytes))


def page_of(report: Report, rows: Sequence[Row]) -> str:
    """Return the page as HTML, light or dark as the reader's system is."""
    seeds = report.experiment.seeds
    runs = {(run.method.text, run.budget_bytes): run for run in report.experiment.runs() if run.seed == 0}
    parts = {
        "TITLE": _shown(report.title),
        "SUBTITLE": _shown(f"{len(rows)} methods and budgets on {report.data}, {seeds} seed{'s' if seeds > 1 else ''} each"),
        "CHART": chart_of(report, rows),
        "HEAD": "".join(f"<th>{_shown(name)}</th>" for name in column_names(rows)),
        "ROWS": "\n".join(_row(row, rows) for row in rows),
        "RUNS": "\n".join(_run(row, report, runs[(row.method, row.budget_bytes)]) for row in rows),
    }
    page = resource_path("graphs/pages/compare.html").read_text(encoding="utf-8")
    for name, content in parts.items():
        page = page.replace(f"<!--{name}-->", content)
    return page


def _row(row: Row, rows: Sequence[Row]) -> str:
    cells = cells_of(row, rows)
    if row.trained:
        return f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in cells)}</tr>"
    method, budget, seeds, reason = (_shown(cell) for cell in cells[:4])
    kept = f"<td>{method}</td><td>{budget}</td><td>{seeds}</td>"
    return f'<tr class="refused">{kept}<td colspan="{len(cells) - 3}">{reason}</td></tr>'


def _run(row: Row, report: Report, run: Run) -> str:
    """What the plan of a row says, and the command that trains its first seed."""
    command = report.experiment.command(run, report.model, report.data, report.inputs)
    sentence = f"{refusal_of(row)}. {row.sentence}" if row.needed_bytes is not None else row.sentence
    return (
        f"<section><h3>{_shown(row.method)} <small>{_shown(row.budget)}</small></h3>"
        f"<p>{_shown(sentence)}</p><pre>{_shown(command)}</pre></section>"
    )


def _shown(content: str) -> str:
    return escape(visible(content))
