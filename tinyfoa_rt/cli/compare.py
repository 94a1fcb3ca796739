"""``tinyfoa-rt compare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyfoa_rt.cli.arguments import data_option, input_options, model_argument, runtime_options, sampling_option
from tinyfoa_rt.cli.open_line import OpenLine
from tinyfoa_rt.cli.planning_options import given_planning, planning_options
from tinyfoa_rt.errors import BudgetError

if TYPE_CHECKING:
    from tinyfoa_rt.comparison import Progress

__all__ = ["command"]

# A shell reports a program that a signal ended as this and the signal's number.
_INTERRUPTED = 128


@click.command("compare")
@model_argument
@data_option
@click.option(
    "--methods",
    required=True,
    metavar="METHOD,...",
    callback=lambda context, parameter, text: text.split(","),
    help="Learners, each with options of its own if you like: tinyfoa,tinyfoa:slices=2x2:epochs=20 (docs/compare.md).",
)
@click.option(
    "--budget",
    "budgets",
    metavar="SIZE,...",
    callback=lambda context, parameter, text: text.split(",") if text else [],
    help="RAM, such as 64KB,256KB. Default: that of the board.",
)
@click.option("--seeds", default=3, show_default=True, help="How many, from 0: of the order of samples and of local heads.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the report.")
@click.option("--epochs", default=10, show_default=True, help="Passes over the data for each block.")
@click.option("--rate", default=1.0, show_default=True, help="Factor on the recipe's rate.")
@click.option("--rate-schedule", default="cosine", show_default=True, help="cosine or constant.")
@sampling_option
@click.option("--normalization", default="auto", show_default=True, help="Of samples: data, none or auto, as 'train' takes it.")
@click.option("--checkpoint-every", default=30.0, show_default=True, metavar="SECONDS", help="Time between two checkpoints.")
@planning_options(without=("budget", "seed", "samples"))
@input_options
@runtime_options
def command(model: Path, data: str, output: Path, **asked: Any) -> None:
    """Compare methods of training MODEL (an ONNX file) on data: plan, train and measure each in each budget with each seed.

    The output folder gets report.html, table.md, table.csv, chart.svg, and a folder a run. The same command goes on where it was
    interrupted or killed; it may name more methods, budgets or seeds.
    """
    from tinyfoa_rt.comparison import compare
    from tinyfoa_rt.comparison.table import terminal_parts
    from tinyfoa_rt.terminal import print_parts

    planning = given_planning(asked)
    line = _Line()
    with line:
        comparison = compare(model, data, output, line.show, **asked, **planning)
    if comparison.interrupted_by:
        click.echo("interrupted; the same command goes on", err=True)
        sys.exit(_INTERRUPTED + comparison.interrupted_by)
    print_parts(terminal_parts(comparison.rows))
    click.echo(f"the report is {output / 'report.html'}")
    if not any(row.trained for row in comparison.rows):
        raise BudgetError(str(output), "no method was trained", "the report says what each one lacks")


class _Line(OpenLine):
    """A line a run: what begins, and what it came to."""

    def show(self, progress: Progress) -> None:
        from tinyfoa_rt.comparison.table import in_a_line

        self.is_open = progress.result is None
        if progress.result is None:
            method, budget, seed = progress.run.method.text, progress.run.budget_bytes, progress.run.seed
            place = "board" if budget is None else f"{budget:,} bytes"
            click.echo(f"{progress.number}/{progress.count} {method}, {place}, seed {seed}: ", nl=False, err=True)
        else:
            click.echo(in_a_line(progress.result) + (" (from before)" if progress.was_there else ""), err=True)
