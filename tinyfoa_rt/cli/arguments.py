"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from tinyfoa_rt.errors import UsageError

__all__ = ["data_option", "model_argument", "parse_shapes", "recipe_options", "runtime_options", "shape_option"]

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


def recipe_options(command: Any) -> Any:
    """What :data:`tinyfoa_rt.options.RECIPE` names, and the seed of the heads."""
    for option in reversed(
        (
            click.option(
                "--binarize", default="both", show_default=True, help="both (weights and activations), weights or none."
            ),
            click.option("--loss", default="auto", show_default=True, help="cross-entropy or mean-squared-error."),
            click.option(
                "--head-pool",
                default="grid",
                show_default=True,
                help="Means of each channel that a head sees: grid (4 x 4 cells), average (one), none (every unit).",
            ),
            click.option("--alpha", default="row", show_default=True, help="Scale of binary weights: row, or tensor (paper)."),
            click.option(
                "--scale", default="running", show_default=True, help="Scale of activations: running, or batch (paper)."
            ),
            click.option("--window", default="symmetric", show_default=True, help="|z| < 1: symmetric; 0 < z < 1: relu (paper)."),
            click.option(
                "--handover", default="bits", show_default=True, help="The next block reads 0 or 1: bits; 0 or s: scaled (paper)."
            ),
            click.option(
                "--classifier", default="real", show_default=True, help="Weights of the model's classifier: real or binary."
            ),
            click.option("--classes", type=int, help="A new classifier, for so many classes."),
            click.option("--head-seed", default=0, show_default=True, help="Seed of the local heads."),
        )
    ):
        command = option(command)
    return command


def data_option(command: Any) -> Any:
    return click.option(
        "--data",
        required=True,
        metavar="SPEC",
        help="A folder of idx or CIFAR binary files, an .npz, a .csv (label last), or digits.",
    )(command)


def runtime_options(command: Any) -> Any:
    """How onnxruntime runs."""
    threads = click.option("--threads", type=click.IntRange(1, 1024), help="Threads. Default: one a core.")
    providers = click.option(
        "--provider", "providers", multiple=True, default=("CPUExecutionProvider",), show_default=True, help="In order."
    )
    kernels = click.option(
        "--kernels", default="auto", show_default=True, metavar="auto|none|FILE", help="The library of kernels (make kernels)."
    )
    return threads(providers(kernels(command)))


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
