"""Export an artifact for devices without onnxruntime."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.artifact.checkpoint import has_checkpoint
from tinyfoa_rt.artifact.folder import PLAN, SOURCE_MODEL, Artifact
from tinyfoa_rt.artifact.plan_file import parse_plan
from tinyfoa_rt.artifact.records import Manifest
from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.export.c99 import ModelSource, lower
from tinyfoa_rt.export.c99.project import write_project
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.c_program import CProgram
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.ir.plan import Nonvolatile, Plan
from tinyfoa_rt.model import load
from tinyfoa_rt.planner.c99_source import model_source
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.nonvolatile import with_first_state
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.task import PlanningTask, resolve_options
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.progress import Progress

__all__ = ["c_source", "export_c99"]

# Mean squares of bits and of levels of what has a normal distribution, by the bits of an activation.
_POWERS = {1: 0.5, 2: 0.81}


def export_c99(folder: Path, output: Path, *, state_as_file: bool | None = None) -> tuple[CProgram, Nonvolatile]:
    """Write the C99 project of the artifact in ``folder`` to ``output``; a checkpoint there is what the device begins with.

    Args:
        folder: what ``build`` or ``train`` has written, of a plan for a profile that runs generated C.
        output: a new or empty folder.
        state_as_file: the first state becomes a file for the storage, not constant data of the C file; by default where the
            profile has no room for both.

    Returns:
        What was written, as lowered, and what it takes of the profile's flash.

    Raises:
        InputError: the artifact is of another profile, or damaged; the flash is too small; or the output cannot be written.
        UnsupportedError: an operator has no C99 kernel.
    """
    if has_checkpoint(folder):
        trainer = Trainer.load(folder)
        source = c_source(trainer.artifact, trainer.state.arrays(), trainer.progress)
    else:
        artifact = Artifact.load(folder)
        source = c_source(artifact, artifact.initial)
    program = lower(source)
    flash = _flash(source, program, state_as_file)
    write_project(program, flash, output)
    return program, flash


def _flash(source: ModelSource, program: CProgram, state_as_file: bool | None) -> Nonvolatile:
    profile, constants_nbytes = source.profile, program.constants_nbytes
    as_file = Nonvolatile(source.layout.flash_nbytes, constants_nbytes, code_bytes=profile.code_bytes)
    flash = with_first_state(as_file, program.first_state_nbytes, profile)
    if state_as_file is False and not flash.first_state_bytes:
        problem = f"has no room for the first state as constant data ({program.first_state_nbytes:,} bytes)"
        raise InputError(f"target {profile.name}", problem, "leave --weights out: it becomes a file for the storage")
    return as_file if state_as_file else flash


def c_source(artifact: Artifact, state: Mapping[str, NDArray[Any]], progress: Progress | None = None) -> ModelSource:
    """Return an artifact that was built from a plan for generated C as :func:`tinyfoa_rt.export.c99.lower` takes it.

    Args:
        artifact: with the model and the plan's options inside.
        state: tensors of the state that the device begins with, by name.
        progress: where training goes on; ``None`` at its beginning. It knows at which rate each block begun so far has started.

    Raises:
        InputError: the artifact is of a plan for onnxruntime.
        UnsupportedError: the schedule, the order or a layer has no form in C99, or the device has no nonvolatile memory.
    """
    task, plan = _task(artifact)
    done = progress if progress is not None else Progress(TrainSettings())
    _refuse(artifact.manifest, task, done)
    manifest = artifact.manifest
    candidates = [Candidate(Slices(*block.slices), manifest.batch, block.segments) for block in plan.blocks]
    for context in task.contexts:
        name = context.block.name
        if any(scale_of(part.output) not in state for part in context.binary_parts):
            raise InputError(f"state, block {name}", "has no scale", "build the artifact again")
    rates = {**_rates(manifest, task), **done.rates}
    source = model_source(BlockCosts(task), candidates, rates, state, manifest.score)
    return replace(source, progress=(done.block, done.step, done.total_steps))


def _refuse(manifest: Manifest, task: PlanningTask, progress: Progress) -> None:
    if task.profile.nonvolatile_bytes == 0:
        mend = "plan with --nonvolatile: the storage may be flash, FRAM or a file"
        raise UnsupportedError(f"target {task.profile.name}", "has no nonvolatile memory, which C99 keeps slices in", mend)
    if progress.exit is not None:
        mend = "train with --stop last for a device, or with --classifier head"
        raise UnsupportedError(f"block {progress.exit}", "predicts in the model's place (--stop best), which C99 cannot", mend)
    if manifest.order == "interleaved" and progress.total_steps and progress.block < len(manifest.blocks):
        mend = "train it to its end here, or build with --order layerwise"
        raise UnsupportedError("order 'interleaved'", "cannot be gone on with block by block", mend)


def _task(artifact: Artifact) -> tuple[PlanningTask, Plan]:
    if SOURCE_MODEL not in artifact.models or PLAN not in artifact.models:
        mend = "export with --format ort, or plan for c99 or a board ('plan --target ... -o plan.json') and build that"
        raise InputError("artifact", "was planned for onnxruntime", mend)
    plan = parse_plan(f"artifact, {PLAN}", artifact.models[PLAN])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(artifact.models[SOURCE_MODEL])
        graph = load(path, shapes=plan.shapes, pool_input=plan.pool_input)
    return resolve_options(replace(graph, name=plan.model), plan.options, plan.profile), plan


def _rates(manifest: Manifest, task: PlanningTask) -> dict[str, float]:
    """The recipe's rates, with standardized samples, and bits or levels of what has a normal distribution."""
    pairs, power = zip(task.contexts, manifest.blocks), _POWERS[manifest.activation_bits]
    return {record.name: record.rate.at(power if context.binary_values else 1.0) for context, record in pairs}
