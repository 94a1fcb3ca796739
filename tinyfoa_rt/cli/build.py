"""``tinyfoa-rt build``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.cli.arguments import model_argument, parse_shapes, recipe_options, shape_option
from tinyfoa_rt.errors import InputError

__all__ = ["command"]


@click.command("build")
@model_argument
@click.option("--plan", "plan_path", required=True, type=click.Path(path_type=Path), help="What 'plan -o' has written.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the artifact.")
@click.option("--order", default="layerwise", show_default=True, help="layerwise, or interleaved: all blocks step together.")
@recipe_options
@shape_option
def command(model: Path, plan_path: Path, output: Path, shapes: tuple[str, ...], order: str, **options: Any) -> None:
    """Build step graphs, inference graph and initial state of MODEL as planned: an artifact that trains without onnx."""
    from tinyfoa_rt.model import load
    from tinyfoa_rt.pipeline.building import build
    from tinyfoa_rt.planner.report import read_plan

    if output.exists() and any(output.iterdir()):
        raise InputError(str(output), "is not empty", "name a new folder")
    seed = options.pop("head_seed")
    graph = load(model, shapes=parse_shapes(shapes))
    artifact = build(graph, read_plan(plan_path), order=order, seed=seed, **options)
    artifact.save(output)
    click.echo(f"wrote {output}: {len(artifact.blocks)} blocks, {len(artifact.models)} graphs")
