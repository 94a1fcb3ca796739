"""``tinyfoa-rt eval``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.cli.arguments import data_option, runtime_options

__all__ = ["command"]


@click.command("eval")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print the measures as JSON.")
@runtime_options
def command(folder: Path, data: str, as_json: bool, **runtime: Any) -> None:
    """Measure the trained model in DIR on the test part of data."""
    from tinyfoa_rt.report.evaluation import evaluation_line, validation_lines
    from tinyfoa_rt.run.data import load_data
    from tinyfoa_rt.run.trainer import Trainer

    trainer = Trainer.load(folder, **runtime)
    data_set = load_data(data)
    result = trainer.evaluate(data_set.x_test, data_set.y_test)
    if as_json:
        click.echo(json.dumps({**vars(result), "samples": len(data_set.y_test)}))
    else:
        for line in validation_lines(trainer.progress, trainer.artifact.manifest.loss.prediction):
            click.echo(line)
        click.echo(evaluation_line(result, len(data_set.y_test)))
