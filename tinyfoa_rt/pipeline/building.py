"""Build a plan: step graphs, forward graphs and the initial state as an artifact that trains without onnx."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tinyfoa_rt.emit import ExternalTensor, can_pack, emit_forward, emit_inference, emit_step
from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import BlockPlan, Plan
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.options import PlanOptions
from tinyfoa_rt.partition import bounds
from tinyfoa_rt.pipeline.initial import initial_tensors
from tinyfoa_rt.pipeline.job import PlanJob, resolve
from tinyfoa_rt.pipeline.measure import Measure
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.providers import rewrites_for
from tinyfoa_rt.run.artifact import INFERENCE, INFERENCE_TENSORS, SOURCE_MODEL, SOURCE_OPTIONS, Artifact, packed_path
from tinyfoa_rt.run.inference import inference_layout
from tinyfoa_rt.run.records import ARTIFACT_FORMAT, BlockRecord, LayerRecord, Manifest
from tinyfoa_rt.steps import BlockSetting, StepChoice, assemble_forward, assemble_step
from tinyfoa_rt.steps.setting import scale_name
from tinyfoa_rt.steps.stages import cut_stages
from tinyfoa_rt.steps.trained_part import running_statistics

__all__ = ["build"]


def build(model: Graph | str | os.PathLike[str], plan: Plan, *, order: str = "layerwise", **options: Any) -> Artifact:
    """Build what ``plan`` plans.

    Args:
        model: a loaded model or the path of an ONNX file: the one that was planned.
        plan: a feasible plan. One for a target that runs generated C trains here on onnxruntime, and its artifact can be
            exported.
        order: ``layerwise``, or ``interleaved``: all blocks take a step on each batch.
        **options: fields of :class:`tinyfoa_rt.options.PlanOptions` that a plan does not hold (``binarize``, ``loss``,
            ``head_pool``, ``alpha``, ``scale``, ``window``, ``handover``, ``classifier``, ``seed``), as when it was made.

    Raises:
        InputError: the plan does not fit, or is not a plan of this model with these options; or the model, which an artifact for
            another target carries, cannot be read again.
        UnsupportedError: a block cannot run on onnxruntime.
    """
    if not isinstance(model, Graph):
        from tinyfoa_rt.model import load

        model = load(model)
    if not plan.feasible:
        raise InputError("plan", f"does not fit its budget of {plan.budget_bytes:,} bytes", "plan with a larger budget")
    job = _job(model, plan, order, options)
    choices = _checked_choices(job, plan, order)
    if job.target.runtime == "ort":
        return _Building(job, plan, order).artifact(choices)
    source = _source_files(job)
    here = resolve(model, replace(job.options, target="ort-cpu", nonvolatile=None))
    artifact = _Building(here, plan, order).artifact(choices)
    return replace(artifact, models={**artifact.models, **source})


def _job(graph: Graph, plan: Plan, order: str, options: Mapping[str, Any]) -> PlanJob:
    known = {"budget": plan.budget_bytes, "target": plan.target, "batch": plan.batch, "optimizer": plan.optimizer}
    known |= {"schedule": plan.schedule, "head": plan.head}
    names = ",".join(block.name for block in plan.blocks)
    job = resolve(graph, PlanOptions(**{**known, "train": names, **options}))
    if job.recipe.head == "learned":
        raise UnsupportedError("head 'learned'", "cannot run on onnxruntime yet", "use --head rademacher or kaiming")
    if order not in ("layerwise", "interleaved"):
        raise InputError(f"order {order}", "is not known", "use layerwise or interleaved")
    if len(graph.inputs) != 1:
        raise UnsupportedError(f"model '{graph.name}'", f"has {len(graph.inputs)} inputs", "train a model with one input")
    return job


def _checked_choices(job: PlanJob, plan: Plan, order: str) -> list[StepChoice]:
    """The sizes of each block, after the plan's bytes were counted again: so a plan of another model or recipe is refused."""
    measure = Measure(job)
    choices = []
    for index, (setting, block) in enumerate(zip(job.settings, plan.blocks)):
        candidate = Candidate(Slices(*block.slices), plan.batch)
        if setting.block.parameters != block.parameters or measure.peak(index, candidate) != block.peak_bytes:
            raise _wrong_plan(job, block)
        slices = candidate.slices if plan.schedule == "slice" else Slices(1, 1)
        choices.append(StepChoice(slices, plan.batch, job.holds_slice(slices), hands_on=order == "interleaved"))
    return choices


def _source_files(job: PlanJob) -> dict[str, bytes]:
    """The model and how it was planned: what exporting needs."""
    path = Path(job.graph.source)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"model '{job.graph.name}'", f"cannot be read again ({error.strerror})", "build from its file"
        ) from error
    shapes = {name: list(job.graph.shape(name)) for name in job.graph.inputs}
    text = json.dumps({"options": asdict(job.options), "shapes": shapes}, indent=1)
    return {SOURCE_MODEL: content, SOURCE_OPTIONS: text.encode()}


def _wrong_plan(job: PlanJob, block: BlockPlan) -> InputError:
    problem = f"block {block.name} of model '{job.graph.name}' does not need the {block.peak_bytes:,} bytes that it says"
    return InputError("plan", problem, "plan this model again, with the options that it is built with")


class _Building:
    """The parts of one artifact while they are made."""

    def __init__(self, job: PlanJob, plan: Plan, order: str) -> None:
        self._job = job
        self._plan = plan
        self._order = order
        self._rewrites = rewrites_for(job.target.provider)
        self._models: dict[str, bytes] = {}
        self._graphs: dict[str, tuple[StepGraph, Callable[..., Any]]] = {}

    def artifact(self, choices: list[StepChoice]) -> Artifact:
        job = self._job
        blocks = tuple(self._block(n, setting, choice) for n, (setting, choice) in enumerate(zip(job.settings, choices), 1))
        forward, starts = assemble_forward(job.graph, job.parts, job.trained, job.target, 1)
        stages = []
        trained = [setting.block for setting in job.settings]
        for number, stage in enumerate(cut_stages(forward, starts, trained, self._score)):
            stages.append(f"forward/{number}.onnx" if stage.nodes else "")
            if stage.nodes:
                self._add(stages[-1], stage, emit_forward)
        initial = initial_tensors(job, blocks)
        manifest = self._manifest(tuple(stages), blocks)
        where = inference_layout(manifest, initial, INFERENCE_TENSORS)
        external = {name: ExternalTensor(*place) for name, place in where.items()}
        self._models[INFERENCE] = emit_inference(forward, external, self._rewrites).SerializeToString(deterministic=True)
        if all(can_pack(graph) for graph, _ in self._graphs.values()):
            for path, (graph, emit) in self._graphs.items():
                self._models[packed_path(path)] = emit(graph, is_packed=True).SerializeToString(deterministic=True)
        return Artifact(manifest, self._models, initial)

    def _add(self, path: str, graph: StepGraph, emit: Callable[..., Any]) -> None:
        """Emit a step or a stage; the packed form follows where all of them have one, since they hand bits to each other."""
        self._models[path] = emit(graph, rewrites=self._rewrites).SerializeToString(deterministic=True)
        self._graphs[path] = (graph, emit)

    @property
    def _score(self) -> str:
        last = self._job.parts.blocks[-1]
        return last.output if last.is_classifier else self._job.graph.outputs[0]

    def _block(self, number: int, setting: BlockSetting, choice: StepChoice) -> BlockRecord:
        block = setting.block
        step = assemble_step(setting, choice)
        path = f"steps/{number}.onnx"
        self._add(path, step, emit_step)
        layers = tuple(self._layer(setting, layer, choice.slices) for layer in block.layers)
        return BlockRecord(
            name=block.name,
            step=path,
            inputs=tuple(name for name in step.inputs if name not in step.constants),
            output=block.output,
            scale=scale_name(block.output) if setting.is_binary else "",
            scale_momentum=setting.recipe.scale_momentum(choice.batch),
            statistics=tuple(node.outputs[0] for node in running_statistics(block)),
            statistics_momentum=tuple(
                setting.recipe.statistics_momentum(node.float("momentum", 0.9), choice.batch)
                for node in running_statistics(block)
            ),
            head="head" in step.tensors,
            head_positions=setting.head_positions,
            is_classifier=block.is_classifier,
            layers=layers,
        )

    def _layer(self, setting: BlockSetting, layer: Layer, slices: Slices) -> LayerRecord:
        ins, outs = bounds(layer, slices)
        is_binary = setting.recipe.binarize != "none"
        # Where the block's output is a mean over positions, they share one error.
        output = self._job.graph.values[setting.block.output].size
        positions = max(1, output // layer.out_features) if layer.kind == "conv" else 1
        return LayerRecord(layer.name, layer.kind, layer.row_size, ins, outs, is_binary, positions)

    def _manifest(self, stages: tuple[str, ...], blocks: tuple[BlockRecord, ...]) -> Manifest:
        job, plan = self._job, self._plan
        (name,) = job.graph.inputs
        return Manifest(
            format=ARTIFACT_FORMAT,
            model=job.graph.name,
            input=name,
            input_shape=job.graph.shape(name),
            output=job.graph.outputs[0],
            score=self._score,
            num_outputs=job.recipe.num_outputs,
            loss=job.recipe.loss,
            batch=plan.batch,
            optimizer=plan.optimizer,
            schedule=plan.schedule,
            binarize=job.recipe.binarize,
            handover=job.recipe.handover,
            order=self._order,
            peak_bytes=plan.peak_bytes,
            frozen_blocks=len(job.parts.blocks) - len(job.settings),
            stages=stages,
            blocks=blocks,
        )
