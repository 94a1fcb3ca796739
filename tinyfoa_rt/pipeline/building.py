"""Build a plan: step graphs, forward graphs and the initial state as an artifact that trains without onnx."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyfoa_rt.artifact.folder import INFERENCE, PLAN, SOURCE_MODEL, Artifact, packed_path
from tinyfoa_rt.artifact.inference import find_parameters
from tinyfoa_rt.artifact.records import ARTIFACT_FORMAT, BlockRecord, InputRecord, LayerRecord, Manifest, TensorRecord
from tinyfoa_rt.emit import can_pack, emit_forward, emit_inference, emit_step
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.names import HEAD, scale_of
from tinyfoa_rt.ir.plan import BlockPlan, Plan
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.partition import bounds
from tinyfoa_rt.pipeline.initial import initial_tensors
from tinyfoa_rt.pipeline.job import PlanJob, resolve
from tinyfoa_rt.pipeline.measure import MOST_ROWS, Measure
from tinyfoa_rt.pipeline.ort_memory import forward_stages
from tinyfoa_rt.pipeline.refusal import check_model
from tinyfoa_rt.planner.report import dumps
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.providers import rewrites_for
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.steps import BlockSetting, StepChoice, assemble_forward, assemble_step
from tinyfoa_rt.steps.trained_part import running_statistics
from tinyfoa_rt.targets import load_target

__all__ = ["build"]

_PLAN_AGAIN = "plan this model again: tinyfoa-rt plan MODEL -o plan.json"


def build(model: Graph | str | os.PathLike[str], plan: Plan, **repeated: Any) -> Artifact:
    """Build what ``plan`` plans.

    Args:
        model: a loaded model or the path of an ONNX file: the one that was planned.
        plan: a feasible plan. One for a target that runs generated C trains here on onnxruntime, and its artifact can be
            exported.
        **repeated: fields of :class:`tinyfoa_rt.ir.options.PlanOptions`, which may only repeat what the plan says.

    Raises:
        UsageError: an option says something else than the plan.
        InputError: the plan does not fit, or is not a plan of this model; or the model, which an artifact for
            another target carries, cannot be read again.
        UnsupportedError: a block cannot run on onnxruntime.
    """
    plan.options.refuse_others(repeated)
    if not isinstance(model, Graph):
        from tinyfoa_rt.model import load

        model = load(model, shapes=plan.shapes)
    if not plan.feasible:
        raise InputError("plan", f"does not fit its budget of {plan.budget_bytes:,} bytes", "plan with a larger budget")
    job = _job(model, plan)
    measure = Measure(job)
    choices = _checked_choices(measure, plan)
    if job.target.runtime == "ort":
        candidates = [Candidate(Slices(*block.slices), plan.batch) for block in plan.blocks]
        return _Building(job, plan).artifact(choices, measure.most_rows(candidates, plan.peak_bytes))
    if not model.source.path:
        raise InputError(f"model '{model.name}'", "was made in memory; a plan for C99 needs its file", "build from an .onnx file")
    from tinyfoa_rt.model.self_contained import self_contained

    source = self_contained(Path(model.source.path), model.source.sha256)
    here = resolve(model, plan.options, load_target("ort-cpu"))
    artifact = _Building(here, plan).artifact(choices, MOST_ROWS)  # the plan is for another machine
    return replace(artifact, models={**artifact.models, SOURCE_MODEL: source})


def _job(graph: Graph, plan: Plan) -> PlanJob:
    source = graph.source
    if source.sha256 != plan.model_sha256:
        problem = (
            f"is of another model than {graph.name} (their SHA-256 begin with {plan.model_sha256:.8} and {source.sha256:.8})"
        )
        raise InputError("plan", problem, _PLAN_AGAIN)
    if source.shapes != plan.shapes:
        problem = f"is for inputs of the shapes {plan.shapes or 'of the model'}, not {source.shapes or 'those'}"
        raise InputError("plan", problem, _PLAN_AGAIN)
    job = resolve(graph, plan.options, plan.target)
    check_model(job)
    return job


def _checked_choices(measure: Measure, plan: Plan) -> list[StepChoice]:
    """The sizes of each block, after the plan's bytes were counted again: so a plan that was edited is refused."""
    job = measure.job
    choices = []
    for index, (setting, block) in enumerate(zip(job.settings, plan.blocks)):
        candidate = Candidate(Slices(*block.slices), plan.batch)
        if setting.block.parameters != block.parameters or measure.peak(index, candidate) != block.peak_bytes:
            raise _wrong_plan(job, block)
        # A plan for C99 trains here too.
        choices.append(replace(job.choice(candidate), hands_on=plan.options.order == "interleaved"))
    return choices


def _wrong_plan(job: PlanJob, block: BlockPlan) -> InputError:
    problem = f"block {block.name} of model '{job.graph.name}' does not need the {block.peak_bytes:,} bytes that it says"
    return InputError("plan", problem, _PLAN_AGAIN)


class _Building:
    """The parts of one artifact while they are made."""

    def __init__(self, job: PlanJob, plan: Plan) -> None:
        self._job = job
        self._plan = plan
        self._models: dict[str, bytes] = {PLAN: (dumps(plan) + "\n").encode()}
        self._rewrites = rewrites_for(job.target.provider)
        self._graphs: dict[str, tuple[StepGraph, Callable[..., Any]]] = {}

    def artifact(self, choices: list[StepChoice], rows: int) -> Artifact:
        job = self._job
        blocks = tuple(self._block(n, setting, choice) for n, (setting, choice) in enumerate(zip(job.settings, choices), 1))
        forward, _ = assemble_forward(job.graph, job.parts, job.trained, job.target, 1)
        stages = []
        for number, stage in enumerate(forward_stages(job, 1)):
            stages.append(f"forward/{number}.onnx" if stage.nodes else "")
            if stage.nodes:
                self._add(stages[-1], stage, emit_forward)
        initial = initial_tensors(job, blocks)
        manifest = self._manifest(tuple(stages), blocks, rows)
        tensors = ModelState(manifest, initial).forward_tensors(as_bytes=True)
        inference = emit_inference(forward, tensors, self._rewrites, job.graph.renamed).SerializeToString(deterministic=True)
        self._models[INFERENCE] = inference
        manifest = replace(manifest, parameters=find_parameters(inference, tensors))
        if all(can_pack(graph) for graph, _ in self._graphs.values()):
            for path, (graph, emit) in self._graphs.items():
                self._models[packed_path(path)] = emit(graph, is_packed=True).SerializeToString(deterministic=True)
        return Artifact(manifest, self._models, initial)

    def _add(self, path: str, graph: StepGraph, emit: Callable[..., Any]) -> None:
        """Emit a step or a stage; the packed form follows where all of them have one, since they hand bits to each other."""
        self._models[path] = emit(graph, rewrites=self._rewrites).SerializeToString(deterministic=True)
        self._graphs[path] = (graph, emit)

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
            scale=scale_of(block.output) if setting.is_binary else "",
            scale_momentum=setting.recipe.scale_momentum(choice.batch),
            statistics=tuple(node.outputs[0] for node in running_statistics(block)),
            statistics_momentum=tuple(
                setting.recipe.statistics_momentum(node.float("momentum", 0.9), choice.batch)
                for node in running_statistics(block)
            ),
            head=HEAD in step.tensors,
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

    def _tensors(self) -> tuple[TensorRecord, ...]:
        """What steps and stages are given or hand out and is no value of the model."""
        found: dict[str, TensorRecord] = {}
        for graph, _ in self._graphs.values():
            for tensor in graph.tensors.values():
                if tensor.role != "value" and (tensor.is_persistent or tensor.name in graph.outputs):
                    found[tensor.name] = TensorRecord(tensor.name, tensor.role, tensor.owner, tensor.next_of)
        return tuple(found.values())

    def _manifest(self, stages: tuple[str, ...], blocks: tuple[BlockRecord, ...], rows: int) -> Manifest:
        job, plan = self._job, self._plan
        return Manifest(
            format=ARTIFACT_FORMAT,
            model=job.graph.name,
            inputs=tuple(InputRecord(n, job.graph.values[n].dtype, job.graph.shape(n)) for n in job.graph.inputs),
            output=next(name for name in job.graph.outputs if not job.graph.is_constant(name)),
            score=job.score,
            num_outputs=job.recipe.num_outputs,
            loss=job.recipe.loss,
            batch=plan.batch,
            optimizer=plan.options.optimizer,
            schedule=plan.options.schedule,
            binarize=job.recipe.binarize,
            handover=job.recipe.handover,
            order=plan.options.order,
            peak_bytes=plan.peak_bytes,
            budget_bytes=plan.budget_bytes if plan.target.runtime == "ort" else 0,
            rows=rows,
            needs_kernels=job.target.has_kernels,
            frozen_blocks=len(job.parts.blocks) - len(job.settings),
            stages=stages,
            blocks=blocks,
            tensors=self._tensors(),
            parameters=(),  # known when the trained model is emitted
        )
