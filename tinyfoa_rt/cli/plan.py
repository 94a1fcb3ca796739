"""``tinyfoa-rt plan``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.cli.arguments import input_options, model_argument
from tinyfoa_rt.cli.planning_options import given_planning, planning_options
from tinyfoa_rt.errors import BudgetError
from tinyfoa_rt.files import write_whole

__all__ = ["command"]


@click.command("plan")
@model_argument
@planning_options()
@input_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON in place of the table.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the plan as JSON to a file.")
@click.option("--chart", type=click.Path(path_type=Path), help="Write a chart of the memory over the steps, as SVG.")
def command(
    model: Path,
    shapes: Mapping[str, tuple[int, ...]],
    pool_input: int,
    as_json: bool,
    output: Path | None,
    chart: Path | None,
    **options: Any,
) -> None:
    """Plan the training of MODEL (an ONNX file) inside a memory budget.

    The plan takes the largest update fraction that fits, then the largest batch; with --method auto it first takes the way to
    train that is expected to learn best. If nothing fits, it says what the smallest budget would be and ends with status 3.
    """
    from tinyfoa_rt.artifact.plan_file import dumps
    from tinyfoa_rt.ir.options import options_of
    from tinyfoa_rt.model import load
    from tinyfoa_rt.pipeline import plan
    from tinyfoa_rt.planner.choosing import most_slices
    from tinyfoa_rt.planner.picking import pick
    from tinyfoa_rt.planner.ranking import FIXING, chooses_latents, order_of
    from tinyfoa_rt.planner.task import resolve_options
    from tinyfoa_rt.report import print_plan, render_chart, suggest
    from tinyfoa_rt.terminal import print_parts

    options = given_planning(options)
    options_of(**options)  # refuse wrong use before the model is read
    graph = load(model, shapes=shapes, pool_input=pool_input)
    result = plan(graph, **options)
    if output is not None:
        write_whole(output, (dumps(result) + "\n").encode())
    if chart is not None:
        write_whole(chart, render_chart(result).encode())
    if as_json:
        click.echo(dumps(result))
    else:
        print_plan(result)
        if FIXING.isdisjoint(options):
            asked = options_of(**{**options, "latent": result.options.latent})
            task = resolve_options(graph, result.options, result.profile)
            order = order_of(task, has_latents=chooses_latents(result.profile, asked, options))
            points = order.points_of(result.options, most_slices(result))
            better = pick(graph, asked, order, points) if result.feasible else None
            print_parts([suggest(result, points, better)])
    if not result.feasible:
        if as_json:
            click.echo(f"tinyfoa-rt: {result.reason}", err=True)
        sys.exit(BudgetError.exit_status)
