"""The report of results that are given: table, chart and page."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.comparison.results import CLASSIFIED, PREDICTED, result_of
from tests.drawing.structure import structure_of
from tests.golden_files import check_golden
from tinyfoa_rt.comparison.experiment import Experiment
from tinyfoa_rt.comparison.page import Report, chart_of, page_of
from tinyfoa_rt.comparison.result import Result
from tinyfoa_rt.comparison.summary import Spread, rows_of
from tinyfoa_rt.comparison.table import csv_table, in_a_line, markdown_table, terminal_parts
from tinyfoa_rt.terminal import print_parts

GOLDEN = Path(__file__).parent / "golden"
SETS = pytest.mark.parametrize(("name", "results"), [("classified", CLASSIFIED), ("predicted", PREDICTED)])


REPORT = Report("<net>", "net.onnx", "my data", Experiment(["tinyfoa", "tinyfoa:slices=2x2"], ["64KB", "32KB"], 1))


@SETS
def test_golden_tables(name: str, results: list[Result]) -> None:
    rows = rows_of(results)
    check_golden(GOLDEN / f"{name}.md", markdown_table(rows))
    check_golden(GOLDEN / f"{name}.csv", csv_table(rows))


@SETS
def test_golden_chart(name: str, results: list[Result]) -> None:
    check_golden(GOLDEN / f"{name}.txt", structure_of(chart_of(REPORT, rows_of(results))))


def test_rows_are_sorted_and_what_was_not_trained_is_last() -> None:
    rows = rows_of(CLASSIFIED)
    assert [(row.method, row.budget) for row in rows] == [
        ("tinyfoa:slices=2x2", "32.0 KiB"),
        ("tinyfoa|<float>", "64.0 KiB"),
        ("tinyfoa", "64.0 KiB"),
        ("tinyfoa|<float>", "32.0 KiB"),
        ("freeze-diagonal", "board"),
    ]
    assert [row.method for row in rows_of(PREDICTED)] == ["tinyfoa-float", "tinyfoa"]


def test_mean_and_deviation_are_those_of_a_sample() -> None:
    (row,) = rows_of(CLASSIFIED[:3])
    spread = row.spread("accuracy")
    assert spread is not None and spread.deviation is not None
    assert spread.mean == pytest.approx(0.93)
    assert spread.deviation == pytest.approx((0.03**2 + 0.01**2 + 0.04**2) ** 0.5 / 2**0.5)
    assert row.milliseconds_a_step == pytest.approx(1000 * (1.5 + 2.5 + 3.5) / 1200)
    assert rows_of(CLASSIFIED[3:4])[0].spread("accuracy") == Spread(0.95, None)


def test_what_was_not_measured_in_each_run_is_not_averaged() -> None:
    (row,) = rows_of([result_of("tinyfoa", 1, 0, 0.9), result_of("tinyfoa", 1, 1, 0.9, measured_bytes=None)])
    assert row.most("measured_bytes") is None
    assert row.most("planned_bytes") == 50_000


def test_csv_can_be_read_and_has_a_line_a_row() -> None:
    lines = list(csv.DictReader(io.StringIO(csv_table(rows_of(CLASSIFIED)))))
    assert len(lines) == 5
    assert float(lines[2]["accuracy_mean"]) == pytest.approx(0.93)
    assert [line["seeds"] for line in lines] == ["1", "1", "3", "0", "0"]
    assert lines[3]["needed_bytes"] == "40076" and lines[3]["accuracy_mean"] == ""


@SETS
def test_the_terminal_table_fits(name: str, results: list[Result]) -> None:
    long = [result_of("tinyfoa:" + "slices=2x2:" * 5 + str(n), 2**40, s, 0.1 * s, seconds=9e5) for n in range(2) for s in (1, 9)]
    rows = rows_of([*results, *(long if name == "classified" else [])])
    out = io.StringIO()
    print_parts(terminal_parts(rows), Console(file=out, width=200, force_terminal=False))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in lines[0]
    cells = [
        cell for row in rows if row.trained for cell in (row.budget, f"{(row.spread('seconds') or Spread(0, 0)).mean:,.0f}"[:3])
    ]
    assert all(cell in out.getvalue() for cell in cells)
    trained = [row for row in rows if row.trained]
    below = "\n".join(lines[1 + len(trained) :])
    assert all(f"{row.method}, {row.budget}: " in below for row in rows if not row.is_whole)
    if name == "classified":
        assert "tinyfoa|<float>, 64.0 KiB: 1 of 2 seeds trained: block fc2, step 3: the loss is nan" in below


class Outline(HTMLParser):
    """Open elements, links to other files, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.elsewhere: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.elsewhere += [str(value) for name, value in attrs if name in ("src", "href", "data")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_opens_alone_and_says_everything() -> None:
    rows = rows_of(CLASSIFIED[:4])
    page = page_of(REPORT, rows)
    outline = Outline(page)
    assert not outline.elsewhere and "@import" not in page and "url(" not in page and "script" not in outline.elements
    assert outline.elements.count("svg") == 1 and outline.elements.count("section") == 2
    assert "<net>: methods compared" in outline.words
    assert "tinyfoa-rt train net.onnx --data 'my data' --slices 2x2 --budget 32768 -o trained" in outline.words
    assert "Every weight is updated in every step." in outline.words
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r"<!--[A-Z]+-->", page)
    assert chart_of(REPORT, rows) in page
    table = page[page.index("<tbody>") : page.index("</tbody>") + len("</tbody>")]
    assert [len(row) for row in ET.fromstring(table)] == [11, 11]


def test_the_page_says_why_a_row_was_not_trained() -> None:
    refused = Result("tinyfoa", 65_536, 0, "Block <fc2> needs it.", needed_bytes=70_000)
    words = Outline(page_of(REPORT, rows_of([refused]))).words
    assert "needs 68.4 KiB (70,000 bytes). Block <fc2> needs it." in words
    assert "nothing was trained yet" in words


def test_a_run_in_a_line() -> None:
    assert in_a_line(CLASSIFIED[0]) == "accuracy 90.00%, 50,000 bytes planned, 2 s"
    assert in_a_line(PREDICTED[0]) == "loss 0.25, 50,000 bytes planned, 2 s"
    assert in_a_line(CLASSIFIED[4]) == "needs 39.1 KiB (40,076 bytes)"
    assert in_a_line(CLASSIFIED[7]) == "not trained: layer fc1: has no rule"
