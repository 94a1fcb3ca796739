"""``tinyfoa-rt export``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--target", default="c99", show_default=True, help="c99: a project for microcontrollers and everything else.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the exported project.")
def command(folder: Path, target: str, output: Path) -> None:
    """Export the artifact in DIR, with its checkpoint if it has one, for devices without onnxruntime.

    The artifact must be of a plan for c99 or a board: the generated code's RAM is the plan's, to the byte.
    """
    from tinyfoa_rt.pipeline.exporting import export

    program = export(folder, output, target=target)
    sizes = f"{program.arena_nbytes:,} bytes of RAM, {program.storage_nbytes:,} of storage"
    click.echo(f"wrote {output}: {program.prefix}_model.c, {len(program.blocks)} blocks, {sizes}")
