"""``tinyfoa-rt zoo``."""

from __future__ import annotations

from pathlib import Path

import click

from tinyfoa_rt.errors import UsageError

__all__ = ["command"]


@click.command("zoo")
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The ONNX file to write. Default: NAME.onnx.")
@click.option("--pool-input", type=click.IntRange(1, 64), default=1, metavar="K", help="Means of KxK pixels come first.")
def command(name: str | None, output: Path | None, pool_input: int) -> None:
    """List the models that come along, or write the model NAME as an ONNX file."""
    from tinyfoa_rt.zoo import describe, write_model, zoo_names

    if name is None:
        if output is not None:
            raise UsageError("--output", "there is no model to write", "name one of those that 'tinyfoa-rt zoo' lists")
        for known in zoo_names():
            click.echo(f"{known:24}{describe(known)}")
        return
    path = output or Path(f"{name}.onnx")
    write_model(name, path, pool_input=pool_input)
    click.echo(f"wrote {path}")
