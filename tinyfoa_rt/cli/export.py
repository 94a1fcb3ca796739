"""``tinyfoa-rt export``."""

from __future__ import annotations

from pathlib import Path

import click

from tinyfoa_rt.errors import InputError, UsageError

__all__ = ["command"]


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="c99, or the profile of a board such as stm32f746.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the C project.")
@click.option(
    "--weights",
    default="c",
    show_default=True,
    help="Where the first state is: c (constant data) or bin (a file for the storage).",
)
def command(folder: Path, target: str, output: Path, weights: str) -> None:
    """Export the artifact DIR as a C99 project; a checkpoint in it is gone on with."""
    from tinyfoa_rt.files import write_whole
    from tinyfoa_rt.pipeline.exporting import export_c99
    from tinyfoa_rt.targets import load_target

    if weights not in ("c", "bin"):
        raise UsageError(f"--weights {weights}", "is not known", "use c or bin")
    if load_target(target).runtime != "c99":
        raise UsageError(f"--target {target}", "runs onnxruntime, and the artifact does that as it is", "use c99 or a board")
    if output.exists() and any(output.iterdir()):
        raise InputError(str(output), "is not empty", "name a new folder")
    contents = export_c99(folder, target, state_as_file=weights == "bin")
    for path, content in contents.items():
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(output / path, content)
    click.echo(f"wrote {output}: {len(contents)} files; begin with {output / 'README.md'}")
