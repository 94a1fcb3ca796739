"""``tinyfoa-rt plan``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.cli.arguments import model_argument, parse_shapes, recipe_options, shape_option
from tinyfoa_rt.errors import BudgetError
from tinyfoa_rt.files import write_whole

__all__ = ["command"]


@click.command("plan")
@model_argument
@click.option("--budget", metavar="SIZE", help="RAM, such as 256KB (KB is 1024 bytes, kB 1000). Default: that of the board.")
@click.option("--target", default="ort-cpu", show_default=True, help="A profile: ort-cpu, c99, a board, or a .toml of your own.")
@click.option("--batch", type=int, help="Samples a step. Default: the most that fit, up to 128.")
@click.option("--slices", default="auto", show_default=True, metavar="INxOUT", help="Grid of slices for all layers, such as 2x2.")
@click.option(
    "--optimizer", default="auto", show_default=True, help="sgd, momentum or adam; auto takes the one that needs least."
)
@click.option("--head", default="auto", show_default=True, help="Local heads: rademacher, kaiming, classifier or learned.")
@click.option("--schedule", default="slice", show_default=True, help="slice, freeze-diagonal or full.")
@click.option("--train", default="all", show_default=True, metavar="all|last:K|NAMES", help="What to train; the rest is frozen.")
@click.option("--nonvolatile", metavar="SIZE|none|unlimited", help="Nonvolatile memory, in place of the target's.")
@click.option("--samples", type=int, help="Samples of the data set: then the bytes written an epoch are known.")
@click.option(
    "--rotate-every",
    type=int,
    metavar="STEPS",
    help="Steps that a slice stays. Default: 1, or on a board an equal part of an epoch.",
)
@recipe_options
@shape_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON in place of the table.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the plan as JSON to a file.")
@click.option("--chart", type=click.Path(path_type=Path), help="Write a chart of the memory over the steps, as SVG.")
def command(model: Path, shapes: tuple[str, ...], as_json: bool, output: Path | None, chart: Path | None, **options: Any) -> None:
    """Plan the training of MODEL (an ONNX file) inside a memory budget.

    The plan takes the largest update fraction that fits, then the largest batch. If nothing fits, it says what the smallest
    budget would be and ends with status 3.
    """
    from tinyfoa_rt.model import load
    from tinyfoa_rt.options import PlanOptions
    from tinyfoa_rt.pipeline import plan
    from tinyfoa_rt.planner.report import dumps, print_plan, render_chart

    options["seed"] = options.pop("head_seed")
    PlanOptions(**options)  # refuse wrong use before the model is read
    result = plan(load(model, shapes=parse_shapes(shapes)), **options)
    if output is not None:
        write_whole(output, (dumps(result) + "\n").encode())
    if chart is not None:
        write_whole(chart, render_chart(result).encode())
    if as_json:
        click.echo(dumps(result))
    else:
        print_plan(result)
    if not result.feasible:
        if as_json:
            click.echo(f"tinyfoa-rt: {result.reason}", err=True)
        sys.exit(BudgetError.exit_status)
