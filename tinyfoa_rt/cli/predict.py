"""``tinyfoa-rt predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinyfoa_rt.cli.arguments import label_option, runtime_options

__all__ = ["command"]


@click.command("predict")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("samples", metavar="FILE")
@click.option("--proba", is_flag=True, help="The probability of each class, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A .csv file, in place of the terminal.")
@label_option
@runtime_options
def command(folder: Path, samples: str, proba: bool, output: Path | None, label: str | None, **runtime: Any) -> None:
    """Predict the label of each sample in FILE with the trained model in DIR.

    FILE is an .npz with x, a .csv or .tsv, or a folder with x.npy; raw samples, as they were trained on. Where it has labels they
    are left out. What is written is a .csv with one line a sample.
    """
    import math

    from tinyfoa_rt.files import write_whole
    from tinyfoa_rt.report.predictions import predictions_csv
    from tinyfoa_rt.run.data import load_samples
    from tinyfoa_rt.run.evaluation import predict, probabilities_of
    from tinyfoa_rt.run.trainer import Trainer

    trainer = Trainer.load(folder, **runtime)
    x, _ = load_samples(samples, math.prod(trainer.artifact.manifest.inputs[0].shape[1:]), label)
    scores, loss = trainer.scores(x), trainer.artifact.manifest.loss
    predicted = predict(scores, loss.prediction, trainer.progress.label_map)
    text = predictions_csv(predicted, probabilities_of(scores, loss) if proba else None, trainer.labels)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_whole(output, text.encode())
