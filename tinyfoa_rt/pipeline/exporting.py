"""Export a plan as C99: the same step graphs, the plan's offsets, and the state that training goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.export.c99 import BlockSource, LayerSource, ModelSource, lower, project_files, render, state_image
from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.partition import bounds
from tinyfoa_rt.pipeline.building import SOURCE_MODEL, SOURCE_OPTIONS, SOURCE_PLAN
from tinyfoa_rt.pipeline.initial import initial_tensors
from tinyfoa_rt.pipeline.job import PlanJob
from tinyfoa_rt.pipeline.measure import Measure
from tinyfoa_rt.pipeline.planned import job_of_plan, sizes_of_plan
from tinyfoa_rt.pipeline.planning import plan_as_chosen
from tinyfoa_rt.planner.footprint import place_forward, transient_base
from tinyfoa_rt.planner.report import dumps, read_plan
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.run.artifact import Artifact
from tinyfoa_rt.run.checkpoint import MANIFEST as CHECKPOINT
from tinyfoa_rt.run.checkpoint import load_checkpoint
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.settings import BlockSize, rate_of_block
from tinyfoa_rt.steps import BlockSetting, StepChoice, assemble_forward, assemble_step, to_program
from tinyfoa_rt.steps.setting import scale_name
from tinyfoa_rt.targets import load_target

__all__ = ["export_c99", "source_of_artifact", "source_of_plan"]

# Mean squares: of standardized samples, and of bits of which half are ones.
_POWER_OF_SAMPLES, _POWER_OF_BITS = 1.0, 0.5
# Longer than a trainer's turn on a computer, for each one writes a slice to the storage; an application may set its own.
_STEPS_A_TURN = 10


def export_c99(folder: Path, target: str = "c99", *, state_as_file: bool = False) -> dict[str, bytes]:
    """Return the files of a C project that learns as the artifact in ``folder`` does, from its checkpoint on if it has one.

    Args:
        folder: an artifact.
        target: the profile of a device, where the artifact was planned for onnxruntime; slices and batch stay as planned.
        state_as_file: the first state becomes a file for the storage, not constant data.

    Raises:
        InputError: the artifact is missing, damaged or older than exports.
        UnsupportedError: something in it cannot be exported.
    """
    source, plan = source_of_artifact(folder, target)
    program = lower(source)
    texts = render(program, carries_state=not state_as_file)
    contents = {path: text.encode() for path, text in {**texts, **project_files(program)}.items()}
    contents["plan.json"] = (dumps(plan) + "\n").encode()
    if state_as_file:
        contents[f"{program.prefix}_state.bin"] = state_image(program)
    return contents


def source_of_artifact(folder: Path, target: str) -> tuple[ModelSource, Plan]:
    """Return what lowering is given for the artifact in ``folder``, and the plan that it follows; raises as above."""
    artifact = Artifact.load(folder)
    files = artifact.source()
    if SOURCE_MODEL not in files:
        raise InputError(str(folder), "does not hold what it was built from", "build the artifact again")
    from tinyfoa_rt.model import load

    graph = replace(load(folder / SOURCE_MODEL), name=artifact.manifest.model)
    plan, options = read_plan(folder / SOURCE_PLAN), json.loads(files[SOURCE_OPTIONS])
    if load_target(plan.target).runtime != "c99":
        plan = plan_as_chosen(graph, plan, {**options, "target": target})
    return source_of_plan(graph, plan, **_checkpoint(folder, artifact), **options), plan


def _checkpoint(folder: Path, artifact: Artifact) -> dict[str, Any]:
    """State, progress and rates of the checkpoint, as :func:`source_of_plan` takes them; nothing where there is none."""
    if not (folder / "checkpoint" / CHECKPOINT).exists():
        return {"state": artifact.initial}
    checkpoint = load_checkpoint(folder / "checkpoint", artifact.id)
    progress = Progress.from_json(checkpoint.progress)
    if artifact.manifest.order != "layerwise" and progress.block < len(artifact.blocks):
        mend = "train it to its end here, or build with --order layerwise"
        raise UnsupportedError("order 'interleaved'", "cannot be gone on with block by block", mend)
    place = (progress.block, progress.step, progress.total_steps)
    return {"state": checkpoint.tensors, "progress": place, "rates": progress.rates}


def source_of_plan(
    graph: Graph,
    plan: Plan,
    *,
    state: Mapping[str, NDArray[Any]] | None = None,
    progress: tuple[int, int, int] = (0, 0, 0),
    rates: Mapping[str, float] | None = None,
    **options: Any,
) -> ModelSource:
    """Return what lowering to C99 is given.

    Args:
        graph: the model that was planned.
        plan: a feasible plan for a target without onnxruntime.
        state: tensors of a checkpoint; ``None`` begins with the model's own weights.
        progress: block, step and total steps that training goes on from.
        rates: at which blocks start, where training has measured them.
        **options: fields of :class:`tinyfoa_rt.options.PlanOptions` that a plan does not hold.

    Raises:
        InputError: the plan is for another runtime, does not fit, or is not a plan of this model with these options.
        UnsupportedError: the model or its schedule cannot be exported.
    """
    job = job_of_plan(graph, plan, options)
    _refuse(job, plan)
    choices = sizes_of_plan(job, plan)
    source = _Source(job, plan, choices)
    return source.model({**initial_tensors(job), **(state or {})}, progress, rates or {})


def _refuse(job: PlanJob, plan: Plan) -> None:
    target = job.target
    if target.runtime != "c99":
        raise InputError("plan", f"is for the target {target.name}, which runs onnxruntime", "plan for c99 or a board")
    if target.nonvolatile_bytes == 0:
        mend = "plan with --nonvolatile: the storage may be flash, FRAM or a file"
        raise UnsupportedError(f"target {target.name}", "has no nonvolatile memory, which C99 keeps slices in", mend)
    if plan.schedule == "freeze-diagonal":
        raise UnsupportedError("schedule 'freeze-diagonal'", "trains all slices at once", "plan with --schedule slice or full")
    for setting in job.settings:
        for layer in setting.block.layers:
            if layer.kind != "dense":
                problem = f"is a {layer.kind} layer; C99 trains dense ones"
                raise UnsupportedError(f"layer '{layer.name}'", problem, "train dense layers only: --train last:1")


class _Source:
    """The parts of a model's source while they are put together."""

    def __init__(self, job: PlanJob, plan: Plan, choices: Sequence[StepChoice]) -> None:
        self._job = job
        self._plan = plan
        self._choices = choices
        self._measure = Measure(job)

    def model(
        self, state: Mapping[str, NDArray[Any]], progress: tuple[int, int, int], rates: Mapping[str, float]
    ) -> ModelSource:  # fmt: skip
        job = self._job
        forward, starts = assemble_forward(job.graph, job.parts, job.trained, job.target, self._plan.batch)
        inputs_of = {block.name: block.inputs for block in job.parts.blocks}
        program = to_program(forward, job.target)
        offsets = place_forward(program, inputs_of)
        extent = _end(program, offsets)
        last = job.parts.blocks[-1]
        return ModelSource(
            name=job.graph.name,
            blocks=tuple(self._block(index, rates, extent) for index in range(len(job.settings))),
            forward=forward,
            starts=tuple(starts[setting.block.name] for setting in job.settings),
            offsets=offsets,
            score=last.output if last.is_classifier else job.graph.outputs[0],
            optimizer=job.recipe.optimizer,
            alpha=job.recipe.alpha,
            loss=job.recipe.loss,
            rotate_every=job.options.rotate_every or _STEPS_A_TURN,
            state=state,
            progress=progress,
        )

    def _block(self, index: int, rates: Mapping[str, float], extent: int) -> BlockSource:
        setting, choice = self._job.settings[index], self._choices[index]
        block = setting.block
        candidate = Candidate(choice.slices, choice.batch)
        step = assemble_step(setting, choice)
        before = self._measure.before(index, choice.batch)
        program = to_program(step, setting.target)
        base = transient_base(program, before, setting.target.alignment)
        planned = {b.name: b.offset for b in self._measure.footprint(index, candidate).buffers if b.offset is not None}
        layers = tuple(_layer(setting, layer, choice) for layer in block.layers)
        offsets = _offsets(program, planned, {name: base + offset for name, offset in before.offsets.items()})
        return BlockSource(
            name=block.name,
            layers=layers,
            step=step,
            offsets=offsets,
            base=base,
            end=max(base + extent, _end(program, offsets)),
            peak_nbytes=self._plan.blocks[index].peak_bytes,
            scale=scale_name(block.output) if setting.is_binary else "",
            starting_rate=rates.get(block.name, self._rate(setting, choice)),
        )

    def _rate(self, setting: BlockSetting, choice: StepChoice) -> float:
        """The recipe's rate for standardized samples."""
        block = setting.block
        power = _POWER_OF_BITS if setting.binary_values else _POWER_OF_SAMPLES
        units = 0 if block.is_classifier else setting.head_units
        fan_in = max(layer.row_size for layer in block.layers)
        size = BlockSize(units, fan_in, choice.slices.count, power)
        return rate_of_block(setting.recipe.optimizer, choice.batch, size)


def _layer(setting: BlockSetting, layer: Layer, choice: StepChoice) -> LayerSource:
    ins, outs = bounds(layer, choice.slices)
    return LayerSource(layer, ins, outs, setting.recipe.binarize != "none")


def _offsets(program: Program, planned: Mapping[str, int], entering: Mapping[str, int]) -> dict[str, int]:
    """Where each tensor of a step lies: with the others that share its storage, or where the forward pass has left it."""
    offsets = {}
    for buffer in program.buffers:
        if buffer.buffer.place == "ram":
            name = buffer.buffer.name
            offsets.update(dict.fromkeys(buffer.tensors, entering.get(name, planned.get(name, 0))))
    return offsets


def _end(program: Program, offsets: Mapping[str, int]) -> int:
    """The byte behind the last buffer."""
    return max(offsets[b.tensors[0]] + b.buffer.nbytes for b in program.buffers if b.tensors[0] in offsets)
