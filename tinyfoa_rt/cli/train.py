"""``tinyfoa-rt train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyfoa_rt.cli.arguments import data_option, runtime_options, shape_option
from tinyfoa_rt.cli.planning_options import planning_options, pop_planning, refuse_given
from tinyfoa_rt.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from tinyfoa_rt.artifact.folder import Artifact
    from tinyfoa_rt.run.data import DataSet
    from tinyfoa_rt.run.loop import Report
    from tinyfoa_rt.run.trainer import Trainer

__all__ = ["command"]

_SETTINGS = ("epochs", "rate", "rate_schedule", "rotate_every", "seed")
_RUNTIME = ("providers", "threads", "storage", "kernels")
_GOING_ON = ("data", "output", "resume", "checkpoint_every", *_RUNTIME)
_NOT_PLANNING = (*_GOING_ON, *_SETTINGS, "normalization", "from_scratch", "blocks")
# A shell reports a program that a signal ended as this and the signal's number.
_INTERRUPTED = 128


@click.command("train")
@click.argument("source", metavar="MODEL|DIR", type=click.Path(path_type=Path))
@data_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the trained model.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the output folder.")
@click.option("--from-scratch", is_flag=True, help="Begin with DIR's initial state, though it has a checkpoint to learn on from.")
@planning_options(without=("samples", "rotate_every"))
@shape_option
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
    from tinyfoa_rt.cli.training_session import TrainingSession
    from tinyfoa_rt.ir.options import PlanOptions
    from tinyfoa_rt.run.data import load_data
    from tinyfoa_rt.run.folder_lock import lock_folder
    from tinyfoa_rt.run.trainer import Trainer

    if normalization not in ("auto", "data", "none"):
        raise UsageError(f"--normalization {normalization}", "is not known", "use auto, data or none")
    settings = {name: options[name] for name in _SETTINGS} | {"blocks": options["blocks"] or None}
    TrainSettings(**settings)  # refuse wrong use before anything is read
    planning = {**pop_planning(options), "rotate_every": settings["rotate_every"]}
    PlanOptions(**planning)
    runtime = {name: options[name] for name in _RUNTIME}
    with lock_folder(output):
        _check_output(output, resume=resume)
        data_set = load_data(data)
        if resume:
            trainer = Trainer.load(output, **runtime)
            _refuse_changes(trainer, settings)
            reports = _rest(trainer, data_set)
        else:
            if source.is_dir():
                mend = "leave it out, or train the model"
                refuse_given(_NOT_PLANNING, f"is for planning, and {source} is planned already", mend)
                trainer = _planned(source, runtime, from_scratch=options["from_scratch"])
            else:
                trainer = Trainer(_planned_and_built(source, options["shapes"], planning, data_set.y_train), **runtime)
            reports = _begin(trainer, data_set, settings, normalization)
        interrupted_by = TrainingSession(trainer, data_set, output, checkpoint_every).run(reports)
    if interrupted_by:
        click.echo(f"interrupted; go on with --resume, the checkpoint is in {output}", err=True)
        sys.exit(_INTERRUPTED + interrupted_by)


def _check_output(output: Path, *, resume: bool) -> None:
    from tinyfoa_rt.artifact.checkpoint import has_checkpoint

    is_begun = has_checkpoint(output)
    if is_begun and not resume:
        raise InputError(str(output), "holds a training already", "give --resume to go on with it, or name another folder")
    if resume and not is_begun:
        raise InputError(str(output), "holds no checkpoint", "train without --resume first")


def _begin(trainer: Trainer, data_set: DataSet, settings: dict[str, Any], normalization: str) -> Iterator[Report]:
    """A round, on samples as they were normalized when the model began to learn, unless something else is asked for."""
    is_trained = bool(trainer.progress.rates)
    # A frozen block wants samples as those that it was trained on, and the numbers of a regression often are the samples.
    manifest = trainer.artifact.manifest
    wants_it = manifest.frozen_blocks == 0 and not data_set.reconstructs and manifest.takes_normalization
    if normalization != "auto" or not is_trained:
        normalizes = normalization == "data" or (normalization == "auto" and wants_it)
        trainer.progress.normalization = data_set.normalization if normalizes else None
    return trainer.iterate(data_set.x_train, data_set.y_train, **settings)


def _rest(trainer: Trainer, data_set: DataSet) -> Iterator[Report]:
    """What is left of a round: nothing, perhaps."""
    if trainer.is_done:
        trainer.check_resumed(data_set.x_train, data_set.y_train)
        return iter(())
    return trainer.iterate(data_set.x_train, data_set.y_train)


def _refuse_changes(trainer: Trainer, settings: dict[str, Any]) -> None:
    """A run that goes on keeps its plan and its settings."""
    mend = "leave it out, or train anew into another folder"
    begun = trainer.progress.settings
    same = [name for name, value in settings.items() if value == getattr(begun, name)]
    refuse_given((*_GOING_ON, *same), "cannot be changed by --resume: the run goes on as it was begun", mend)


def _planned(folder: Path, runtime: dict[str, Any], *, from_scratch: bool) -> Trainer:
    """An artifact, which learns on from its checkpoint if it has one."""
    from tinyfoa_rt.artifact.checkpoint import has_checkpoint
    from tinyfoa_rt.run.trainer import Trainer

    if from_scratch or not has_checkpoint(folder):
        return Trainer(folder, **runtime)
    trainer = Trainer.load(folder, **runtime)
    trainer.restart()
    return trainer


def _planned_and_built(
    model: Path, shapes: Mapping[str, tuple[int, ...]], planning: dict[str, Any], labels: NDArray[Any]
) -> Artifact:
    from tinyfoa_rt.errors import BudgetError
    from tinyfoa_rt.model import load
    from tinyfoa_rt.pipeline import build, plan

    graph = load(model, shapes=shapes)
    planned = plan(graph, labels=labels, **planning)
    if not planned.feasible:
        raise BudgetError(f"budget {planned.budget_bytes:,} bytes", planned.reason)
    return build(graph, planned)
