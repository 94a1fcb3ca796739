"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.errors import UsageError

__all__ = [
    "data_option", "input_options", "label_option", "model_argument", "parse_validation", "renamed_option", "runtime_options",
    "sampling_option", "validation_options",
]  # fmt: skip


def model_argument(command: Any) -> Any:
    return click.argument("model", type=click.Path(path_type=Path))(command)


def input_options(command: Any) -> Any:
    """What the model is given: the size of its inputs, and whether means of it come first."""
    shapes = click.option(
        "--shape",
        "shapes",
        multiple=True,
        metavar="NAME=1x3x224x224",
        callback=lambda context, parameter, texts: _parse_shapes(texts),
        help="Shape of an input whose size the model leaves open; the first number is the batch.",
    )
    pool_input = click.option(
        "--pool-input",
        type=click.IntRange(1, 64),
        default=1,
        metavar="K",
        help="Means of KxK pixels, or of K positions of a signal, in front of the model, which then has a smaller input.",
    )
    return shapes(pool_input(command))


def data_option(command: Any, *, required: bool = True) -> Any:
    """The set for training and testing, and which column of a table the labels are."""
    spec = click.option(
        "--data",
        required=required,
        metavar="SPEC",
        help="A folder of idx, CIFAR binary or .npy files, an .npz, a .csv or .tsv, or digits.",
    )
    return spec(label_option(command))


def label_option(command: Any) -> Any:
    return click.option(
        "--label", metavar="COLUMN", help="Column of the labels in a table: its name, or its number from 1. Default: the last."
    )(command)


def sampling_option(command: Any) -> Any:
    return click.option(
        "--sampling",
        default="uniform",
        show_default=True,
        metavar="uniform|sqrt|balanced",
        help="Each sample once an epoch; or drawn, those of rare classes more often: by 1/sqrt(count) or 1/count of their class.",
    )(command)


def validation_options(command: Any) -> Any:
    """What blocks are measured on, and what follows."""
    validation = click.option(
        "--validation",
        metavar="SHARE|SPEC",
        help="Measure each block behind every epoch on samples that are never trained on: a share of the training set such as "
        "0.1, drawn by the seed, or other data (SPEC as with --data, all of its samples).",
    )
    stop = click.option(
        "--stop",
        default="last",
        show_default=True,
        metavar="last|best",
        help="Where the trained model ends: best is the block whose own prediction is best on the validation samples.",
    )
    patience = click.option(
        "--patience",
        type=int,
        metavar="EPOCHS",
        help="End a block that has not become better on the validation samples for so many epochs, in the state of its best one.",
    )
    return validation(patience(stop(command)))


def parse_validation(text: str | None) -> tuple[float, str | None]:
    """Return the share of the training set that is held back, 0 for none of it, and the data that are instead."""
    try:
        return (0.0 if text is None else float(text)), None
    except ValueError:
        return 0.0, text


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


def renamed_option(old: str, new: str, why: str = "") -> Callable[[Any], Any]:
    """What an option was called, which is refused where it is given."""

    def refuse(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise UsageError(old, f"is called {new} now", f"write {new}" + (f": {why}" if why else ""))

    return click.option(old, hidden=True, expose_value=False, callback=refuse)


def _parse_shapes(texts: tuple[str, ...]) -> Mapping[str, tuple[int, ...]]:
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
