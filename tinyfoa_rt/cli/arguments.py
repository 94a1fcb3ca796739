"""Arguments that several commands share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from tinyfoa_rt.errors import InputError, UsageError

__all__ = ["model_argument", "parse_shapes", "shape_option", "write_text"]

_Command = TypeVar("_Command")


def model_argument(command: _Command) -> _Command:
    return click.argument("model", type=click.Path(path_type=Path))(command)  # type: ignore[type-var]


def shape_option(command: Any) -> Any:
    return click.option(
        "--shape",
        "shapes",
        multiple=True,
        metavar="NAME=1x3x224x224",
        help="Shape of an input whose size the model leaves open; the first number is the batch.",
    )(command)


def parse_shapes(texts: tuple[str, ...]) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes that ``--shape`` gives, by input.

    Raises:
        UsageError: not of the form NAME=1x3x224x224.
    """
    shapes = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        parts = sizes.split("x")
        if not name or not all(part.isdecimal() and len(part) <= 12 and int(part) > 0 for part in parts):
            raise UsageError(f"--shape {text}", "is not a shape", "write NAME=1x3x224x224")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        InputError: the folder is not there or cannot be written to.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(str(path), f"cannot be written ({error.strerror})", "name a file in a folder that exists") from error
