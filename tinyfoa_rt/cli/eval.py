"""``tinyfoa-rt eval``."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.cli.arguments import data_option, runtime_options

__all__ = ["command"]


@click.command("eval")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("file", metavar="[FILE]", required=False)
@partial(data_option, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the measures as JSON.")
@runtime_options
def command(folder: Path, file: str | None, data: str | None, label: str | None, as_json: bool, **runtime: Any) -> None:
    """Measure the trained model in DIR: on all samples of FILE, or on the test part of --data."""
    import math

    from tinyfoa_rt.errors import InputError, UsageError
    from tinyfoa_rt.report.evaluation import evaluation_line, validation_lines
    from tinyfoa_rt.run.data import load_data, load_samples
    from tinyfoa_rt.run.trainer import Trainer

    if (file is None) == (data is None):
        mend = "name a file to measure on all of it, or a set to measure on its test part"
        raise UsageError("eval", "takes FILE or --data", mend)
    trainer = Trainer.load(folder, **runtime)
    if file is None:
        data_set = load_data(data or "", label)
        x, y = data_set.x_test, data_set.labels(data_set.y_test)
    else:
        x, found = load_samples(file, math.prod(trainer.artifact.manifest.inputs[0].shape[1:]), label)
        if found is None:
            raise InputError(file, "has no labels", "predict with it: tinyfoa-rt predict")
        y = found
    result = trainer.evaluate(x, y)
    if as_json:
        click.echo(json.dumps({**vars(result), "samples": len(y)}))
    else:
        for line in validation_lines(trainer.progress, trainer.artifact.manifest.loss.prediction):
            click.echo(line)
        click.echo(evaluation_line(result, len(y)))
