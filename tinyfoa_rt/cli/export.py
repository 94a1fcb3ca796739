"""``tinyfoa-rt export``."""

from __future__ import annotations

from pathlib import Path

import click

from tinyfoa_rt.cli.arguments import renamed_option
from tinyfoa_rt.errors import UsageError

__all__ = ["command"]


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--format", default="c99", show_default=True, help="c99: for microcontrollers; ort: C++ and C with onnxruntime.")
@renamed_option("--target", "--format", "a target is what a plan is for")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the exported project.")
@click.option(
    "--weights",
    default="auto",
    show_default=True,
    help="For c99, the first state is: c (constant data), bin (a file for the storage), auto (c where flash has room for it).",
)
def command(folder: Path, format: str, output: Path, weights: str) -> None:
    """Export the artifact in DIR, with its checkpoint if it has one, for devices without Python.

    For c99 the artifact must be of a plan for c99 or a board: the generated code's RAM is the plan's, to the byte.
    """
    from tinyfoa_rt.pipeline import export

    if weights not in ("auto", "c", "bin"):
        raise UsageError(f"--weights {weights}", "is not known", "use auto, c or bin")
    state_as_file = None if weights == "auto" else weights == "bin"
    click.echo(f"wrote {output}: {export(folder, output, format=format, state_as_file=state_as_file)}")
