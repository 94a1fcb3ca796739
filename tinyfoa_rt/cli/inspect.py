"""``tinyfoa-rt inspect``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from tinyfoa_rt.cli.arguments import input_options, model_argument
from tinyfoa_rt.errors import UsageError

__all__ = ["command"]


@click.command("inspect")
@model_argument
@input_options
@click.option("--loss-at", metavar="NAME", help="The output, or another value, that the loss attaches at.")
@click.option("--providers", is_flag=True, help="Of a built artifact: which execution provider takes which nodes of the steps.")
def command(model: Path, shapes: Mapping[str, tuple[int, ...]], pool_input: int, loss_at: str | None, providers: bool) -> None:
    """Show the layers, shapes and blocks of MODEL: what can be trained and what not, and why."""
    if providers:
        from tinyfoa_rt.artifact.folder import Artifact
        from tinyfoa_rt.planner.placement import place_steps
        from tinyfoa_rt.report.placement import print_placement

        if not model.is_dir():
            raise UsageError("--providers", f"needs an artifact, and {model} is a file", "build the model first")
        print_placement(place_steps(Artifact.load(model)))
        return
    from tinyfoa_rt.model import load
    from tinyfoa_rt.report.inspection import print_inspection

    print_inspection(load(model, shapes=shapes, pool_input=pool_input), loss_at=loss_at)
