"""``tinyfoa-rt train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyfoa_rt.cli.arguments import data_option, recipe_options, runtime_options
from tinyfoa_rt.errors import InputError, UsageError

if TYPE_CHECKING:
    from tinyfoa_rt.run.trainer import Trainer

__all__ = ["command"]

_SETTINGS = ("epochs", "rate", "rate_schedule", "rotate_every", "seed")
_RUNTIME = ("providers", "threads", "storage", "kernels")
_PLANNING = ("batch", "slices", "optimizer", "schedule", "head", "train")
# As a shell reports a program that Ctrl-C ended.
_INTERRUPTED = 130


@click.command("train")
@click.argument("source", metavar="MODEL|DIR", type=click.Path(path_type=Path))
@data_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the trained model.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the output folder.")
@click.option("--budget", metavar="SIZE", help="RAM of a training step: plans MODEL on the way.")
@click.option("--batch", type=int, help="Samples a step. Default: the most that fit, up to 128.")
@click.option("--slices", default="auto", show_default=True, metavar="INxOUT", help="Grid of slices for all layers.")
@click.option("--optimizer", default="auto", show_default=True, help="sgd, momentum or adam.")
@click.option("--schedule", default="slice", show_default=True, help="slice, freeze-diagonal or full.")
@click.option("--head", default="auto", show_default=True, help="rademacher, kaiming or classifier.")
@click.option("--train", default="all", show_default=True, metavar="all|last:K|NAMES", help="What to train.")
@click.option(
    "--normalization",
    default="auto",
    show_default=True,
    help="Of samples: data (mean and deviation of the training set), none, or auto: none behind frozen blocks.",
)
@click.option("--order", default="layerwise", show_default=True, help="layerwise, or interleaved: all blocks step together.")
@click.option("--epochs", default=10, show_default=True, help="Passes over the data for each block.")
@click.option("--rate", default=1.0, show_default=True, help="Factor on the recipe's rate.")
@click.option("--rate-schedule", default="cosine", show_default=True, help="cosine or constant.")
@click.option("--rotate-every", type=int, metavar="STEPS", help="Steps that a slice stays.")
@click.option("--seed", default=0, show_default=True, help="Seed of the order of samples.")
@click.option(
    "--storage", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder for mapped files of latent weights."
)
@click.option("--checkpoint-every", default=30.0, show_default=True, metavar="SECONDS", help="Time between two checkpoints.")
@recipe_options
@runtime_options
def command(
    source: Path, data: str, output: Path, resume: bool, checkpoint_every: float, normalization: str, **options: Any
) -> None:
    """Train MODEL (an ONNX file, with --budget) or an artifact DIR on data; Ctrl-C leaves a checkpoint to go on from."""
    from tinyfoa_rt.cli.training_session import TrainingSession
    from tinyfoa_rt.run.checkpoint import has_checkpoint
    from tinyfoa_rt.run.data import load_data
    from tinyfoa_rt.run.settings import TrainSettings

    if normalization not in ("auto", "data", "none"):
        raise UsageError(f"--normalization {normalization}", "is not known", "use auto, data or none")
    settings = {name: options[name] for name in _SETTINGS}
    TrainSettings(**settings)  # refuse wrong use before anything is read
    is_begun = has_checkpoint(output)
    if is_begun and not resume:
        raise InputError(str(output), "holds a training already", "give --resume to go on with it, or name another folder")
    if resume and not is_begun:
        raise InputError(str(output), "holds no checkpoint", "train without --resume first")
    data_set = load_data(data)
    trainer = _resumed(output, options) if resume else _new(source, options)
    session = TrainingSession(trainer, data_set, output, checkpoint_every)
    # A frozen block wants samples as those that it was trained on, and the numbers of a regression often are the samples.
    wants_it = trainer.artifact.manifest.frozen_blocks == 0 and data_set.num_classes > 0
    normalizes = normalization == "data" or (normalization == "auto" and wants_it)
    if not session.run({} if resume else settings, normalizes=normalizes):
        click.echo(f"interrupted; go on with --resume, the checkpoint is in {output}", err=True)
        sys.exit(_INTERRUPTED)


def _resumed(output: Path, options: dict[str, Any]) -> Trainer:
    from tinyfoa_rt.run.trainer import Trainer

    return Trainer.load(output, **{name: options[name] for name in _RUNTIME})


def _new(source: Path, options: dict[str, Any]) -> Trainer:
    from tinyfoa_rt.run.trainer import Trainer

    runtime = {name: options[name] for name in _RUNTIME}
    if source.is_dir():
        return Trainer(source, **runtime)
    if options["budget"] is None:
        raise UsageError(f"train {source}", "a model needs a memory budget", "give --budget 256KB, or train an artifact folder")
    from tinyfoa_rt.errors import BudgetError
    from tinyfoa_rt.model import load
    from tinyfoa_rt.options import RECIPE
    from tinyfoa_rt.pipeline import plan
    from tinyfoa_rt.pipeline.building import build

    graph = load(source)
    recipe = {name: options[name] for name in RECIPE}
    planned = plan(graph, options["budget"], **{name: options[name] for name in _PLANNING}, **recipe)
    if not planned.feasible:
        raise BudgetError(f"budget {options['budget']}", planned.reason)
    return Trainer(build(graph, planned, order=options["order"], **recipe, seed=options["head_seed"]), **runtime)
