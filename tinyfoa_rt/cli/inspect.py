"""``tinyfoa-rt inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from tinyfoa_rt.cli.arguments import model_argument, parse_shapes, shape_option

__all__ = ["command"]


@click.command("inspect")
@model_argument
@shape_option
def command(model: Path, shapes: tuple[str, ...]) -> None:
    """Show the layers, shapes and blocks of MODEL: what can be trained and what not, and why."""
    from tinyfoa_rt.model import load
    from tinyfoa_rt.pipeline.inspection import print_inspection

    print_inspection(load(model, shapes=parse_shapes(shapes)))
