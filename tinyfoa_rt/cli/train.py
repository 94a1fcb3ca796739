"""``tinyfoa-rt train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyfoa_rt.cli.arguments import (
    data_option,
    input_options,
    parse_validation,
    runtime_options,
    sampling_option,
    validation_options,
)
from tinyfoa_rt.cli.planning_options import given_planning, planning_options, refuse_given

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyfoa_rt.artifact.folder import Artifact
    from tinyfoa_rt.run.evaluation import Evaluation
    from tinyfoa_rt.run.trainer import Trainer

__all__ = ["command"]

_SETTINGS = ("epochs", "rate", "rate_schedule", "rotate_every", "seed", "sampling", "validation", "patience", "stop")
_RUNTIME = ("providers", "threads", "storage", "kernels")
_GOING_ON = ("data", "label", "output", "resume", "checkpoint_every", *_RUNTIME)
_NOT_PLANNING = (*_GOING_ON, *_SETTINGS, "normalization", "from_scratch", "blocks")
# A shell reports a program that a signal ended as this and the signal's number.
_INTERRUPTED = 128


@click.command("train")
@click.argument("source", metavar="MODEL|DIR", type=click.Path(path_type=Path))
@data_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the trained model.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the output folder.")
@click.option("--from-scratch", is_flag=True, help="Begin with DIR's initial state, though it has a checkpoint to learn on from.")
@planning_options(without=("samples", "samples_per_day", "writes_per_day", "rotate_every"))
@input_options
@click.option(
    "--normalization",
    default="auto",
    show_default=True,
    help="Of samples: data (mean and deviation of the training set), none, or auto: none behind frozen blocks.",
)
@click.option("--epochs", default=10, show_default=True, help="Passes over the data for each block.")
@click.option("--rate", default=1.0, show_default=True, help="Factor on the recipe's rate.")
@click.option("--rate-schedule", default="cosine", show_default=True, help="cosine or constant.")
@click.option("--rotate-every", type=int, metavar="STEPS", help="Steps that a slice stays.")
@click.option("--seed", default=0, show_default=True, help="Seed of the order of samples.")
@sampling_option
@validation_options
@click.option("--block", "blocks", multiple=True, metavar="NAME", help="Train this block only; may be given more than once.")
@click.option(
    "--storage", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder for mapped files of latent weights."
)
@click.option("--checkpoint-every", default=30.0, show_default=True, metavar="SECONDS", help="Time between two checkpoints.")
@runtime_options
def command(
    source: Path, data: str, output: Path, resume: bool, checkpoint_every: float, normalization: str, **options: Any
) -> None:
    """Train MODEL (an ONNX file, with --budget) or an artifact DIR on data; Ctrl-C leaves a checkpoint to go on from.

    DIR learns on from its checkpoint, if it has one.
    """
    from tinyfoa_rt.artifact.settings import TrainSettings
    from tinyfoa_rt.ir.options import options_of
    from tinyfoa_rt.report.data_lines import data_lines
    from tinyfoa_rt.report.training_bar import TrainingBar
    from tinyfoa_rt.run.data import load_data
    from tinyfoa_rt.run.data.normalization import check_normalization
    from tinyfoa_rt.run.folder_lock import lock_folder
    from tinyfoa_rt.run.recorded import RecordedTraining, check_output, open_trainer
    from tinyfoa_rt.run.trainer import Trainer

    check_normalization(normalization)
    options["validation"], held_back = parse_validation(options["validation"])
    settings = {name: options[name] for name in _SETTINGS} | {"blocks": options["blocks"] or None}
    TrainSettings(**settings)  # refuse wrong use before anything is read
    planning = {**given_planning(options), "rotate_every": settings["rotate_every"]}
    options_of(**planning)
    runtime = {name: options[name] for name in _RUNTIME}
    with lock_folder(output):
        check_output(output, resumes=resume)
        data_set = load_data(data, options["label"])
        if resume:
            trainer = Trainer.load(output, **runtime)
            _refuse_changes(trainer, settings)
        elif source.is_dir():
            refuse_given(_NOT_PLANNING, f"is for planning, and {source} is planned already", "leave it out, or train the model")
            trainer = open_trainer(source, from_scratch=options["from_scratch"], **runtime)
        else:
            inputs = {name: options[name] for name in ("shapes", "pool_input")}
            exits = bool(held_back or options["validation"])
            trainer = Trainer(
                _planned_and_built(source, inputs, planning, data_set.labels(data_set.y_train), exits=exits), **runtime
            )
        validation = load_data(held_back).whole() if held_back else None
        training = RecordedTraining(trainer, data_set, output, checkpoint_every, validation)
        reports = training.resume() if resume else training.begin(normalization, **settings)
        click.echo(data_lines(data_set, trainer.progress.normalization))
        with TrainingBar(has_accuracy=bool(data_set.num_classes)) as bar:
            outcome = training.run(reports, bar.show)
    if outcome.evaluation is None:
        click.echo(f"interrupted; go on with --resume, the checkpoint is in {output}", err=True)
        sys.exit(_INTERRUPTED + outcome.interrupted_by)
    _echo(trainer, outcome.evaluation, len(data_set.y_test), output)


def _echo(trainer: Trainer, evaluation: Evaluation, num_samples: int, output: Path) -> None:
    """Say what came of a training."""
    from tinyfoa_rt.report.evaluation import evaluation_line, validation_lines
    from tinyfoa_rt.units import format_nbytes

    peak = trainer.artifact.manifest.peak_bytes
    for line in validation_lines(trainer.progress, trainer.artifact.manifest.loss.prediction):
        click.echo(line)
    click.echo(evaluation_line(evaluation, num_samples))
    click.echo(f"planned RAM of a training step: {format_nbytes(peak)} ({peak:,} bytes)")
    click.echo(f"the trained model is {output / 'inference.onnx'}, the curve {output / 'curve.svg'}")
    click.echo(f"predict with it: tinyfoa-rt predict {output} FILE")


def _refuse_changes(trainer: Trainer, settings: dict[str, Any]) -> None:
    """A run that goes on keeps its plan and its settings."""
    mend = "leave it out, or train anew into another folder"
    begun = trainer.progress.settings
    same = [name for name, value in settings.items() if value == getattr(begun, name)]
    refuse_given((*_GOING_ON, *same), "cannot be changed by --resume: the run goes on as it was begun", mend)


def _planned_and_built(
    model: Path, inputs: dict[str, Any], planning: dict[str, Any], labels: NDArray[Any], *, exits: bool
) -> Artifact:
    from tinyfoa_rt.errors import BudgetError
    from tinyfoa_rt.model import load
    from tinyfoa_rt.pipeline import build, plan

    graph = load(model, **inputs)
    planned = plan(graph, labels=labels, **planning)
    if not planned.feasible:
        raise BudgetError(f"budget {planned.budget_bytes:,} bytes", planned.reason)
    return build(graph, planned, exits=exits)
