"""``tinyfoa-rt build``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.cli.arguments import input_options, model_argument
from tinyfoa_rt.cli.planning_options import PLANNING, given_planning, planning_options, refuse_given
from tinyfoa_rt.errors import InputError

__all__ = ["command"]

_OWN = ("plan_path", "output", "exits")


@click.command("build")
@model_argument
@click.option("--plan", "plan_path", required=True, type=click.Path(path_type=Path), help="What 'plan -o' has written.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the artifact.")
@click.option("--exits", is_flag=True, help="Let each block predict by its own head: for 'train --validation' and '--stop best'.")
@planning_options(hidden=True)
@input_options
def command(model: Path, plan_path: Path, output: Path, exits: bool, **planning: Any) -> None:
    """Build step graphs, inference graph and initial state of MODEL as planned: an artifact that trains without onnx.

    The plan holds all options of planning; one that is given here may only repeat it.
    """
    from tinyfoa_rt.artifact.plan_file import read_plan
    from tinyfoa_rt.pipeline import build

    repeated = given_planning(planning)
    refuse_given((*_OWN, *PLANNING), "is for planning: a plan holds the shapes of inputs", "plan again with it")
    if output.exists() and any(output.iterdir()):
        raise InputError(str(output), "is not empty", "name a new folder")
    artifact = build(model, read_plan(plan_path), exits=exits, **repeated)
    artifact.save(output)
    click.echo(f"wrote {output}: {len(artifact.blocks)} blocks, {len(artifact.models)} files")
