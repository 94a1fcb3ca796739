"""Build a plan: step graphs, forward graphs and the initial state as an artifact that trains without onnx."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tinyfoa_rt.emit import ExternalTensor, emit_forward, emit_graph, emit_inference, emit_step
from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.partition import bounds
from tinyfoa_rt.pipeline.initial import initial_tensors
from tinyfoa_rt.pipeline.job import PlanJob
from tinyfoa_rt.pipeline.planned import job_of_plan, sizes_of_plan
from tinyfoa_rt.planner.report import dumps
from tinyfoa_rt.run.artifact import INFERENCE, INFERENCE_TENSORS, SOURCE, Artifact
from tinyfoa_rt.run.inference import inference_layout
from tinyfoa_rt.run.records import ARTIFACT_FORMAT, BlockRecord, LayerRecord, Manifest
from tinyfoa_rt.steps import BlockSetting, StepChoice, assemble_forward, assemble_step
from tinyfoa_rt.steps.setting import scale_name
from tinyfoa_rt.steps.stages import cut_stages
from tinyfoa_rt.targets import load_target

__all__ = ["SOURCE_MODEL", "SOURCE_OPTIONS", "SOURCE_PLAN", "build"]

SOURCE_MODEL, SOURCE_PLAN, SOURCE_OPTIONS = (f"{SOURCE}{name}" for name in ("model.onnx", "plan.json", "options.json"))


def build(model: Graph | str | os.PathLike[str], plan: Plan, *, order: str = "layerwise", **options: Any) -> Artifact:
    """Build what ``plan`` plans.

    Args:
        model: a loaded model or the path of an ONNX file: the one that was planned.
        plan: a feasible plan; one for a device without onnxruntime trains the same slices here, but takes more RAM.
        order: ``layerwise``, or ``interleaved``: all blocks take a step on each batch.
        **options: fields of :class:`tinyfoa_rt.options.PlanOptions` that a plan does not hold (``binarize``, ``loss``,
            ``head_pool``, ``alpha``, ``scale``, ``window``, ``handover``, ``classifier``, ``seed``), as when it was made.

    Raises:
        InputError: the plan does not fit, or is not a plan of this model with these options.
        UnsupportedError: a block cannot run on onnxruntime.
    """
    if not isinstance(model, Graph):
        from tinyfoa_rt.model import load

        model = load(model)
    if order not in ("layerwise", "interleaved"):
        raise InputError(f"order {order}", "is not known", "use layerwise or interleaved")
    job = job_of_plan(model, plan, options)
    choices = sizes_of_plan(job, plan, hands_on=order == "interleaved")
    artifact = _Building(_on_onnxruntime(job), plan, order).artifact(choices)
    return replace(artifact, source=partial(_source, model, plan, options))


def _source(graph: Graph, plan: Plan, options: Mapping[str, Any]) -> dict[str, bytes]:
    """What the artifact was built from, for exports."""
    return {
        SOURCE_MODEL: emit_graph(graph).SerializeToString(deterministic=True),
        SOURCE_PLAN: (dumps(plan) + "\n").encode(),
        SOURCE_OPTIONS: (json.dumps(dict(options), indent=1) + "\n").encode(),
    }


def _on_onnxruntime(job: PlanJob) -> PlanJob:
    """The job as onnxruntime runs it: a plan for a device can be trained here too, on the same slices and batches."""
    if job.target.runtime == "ort":
        return job
    target = replace(load_target("ort-cpu"), nonvolatile_bytes=job.target.nonvolatile_bytes)
    return replace(job, target=target, settings=tuple(replace(setting, target=target) for setting in job.settings))


class _Building:
    """The parts of one artifact while they are made."""

    def __init__(self, job: PlanJob, plan: Plan, order: str) -> None:
        self._job = job
        self._plan = plan
        self._order = order
        self._models: dict[str, bytes] = {}

    def artifact(self, choices: list[StepChoice]) -> Artifact:
        job = self._job
        blocks = tuple(self._block(n, setting, choice) for n, (setting, choice) in enumerate(zip(job.settings, choices), 1))
        forward, starts = assemble_forward(job.graph, job.parts, job.trained, job.target, 1)
        stages = []
        trained = [setting.block for setting in job.settings]
        for number, stage in enumerate(cut_stages(forward, starts, trained, self._score)):
            stages.append(f"forward/{number}.onnx" if stage.nodes else "")
            if stage.nodes:
                self._models[stages[-1]] = emit_forward(stage).SerializeToString(deterministic=True)
        initial = initial_tensors(job)
        manifest = self._manifest(tuple(stages), blocks)
        where = inference_layout(manifest, initial, INFERENCE_TENSORS)
        external = {name: ExternalTensor(*place) for name, place in where.items()}
        self._models[INFERENCE] = emit_inference(forward, external).SerializeToString(deterministic=True)
        return Artifact(manifest, self._models, initial)

    @property
    def _score(self) -> str:
        last = self._job.parts.blocks[-1]
        return last.output if last.is_classifier else self._job.graph.outputs[0]

    def _block(self, number: int, setting: BlockSetting, choice: StepChoice) -> BlockRecord:
        block = setting.block
        step = assemble_step(setting, choice)
        path = f"steps/{number}.onnx"
        self._models[path] = emit_step(step).SerializeToString(deterministic=True)
        layers = tuple(self._layer(setting, layer, choice.slices) for layer in block.layers)
        return BlockRecord(
            name=block.name,
            step=path,
            inputs=tuple(name for name in step.inputs if name not in step.constants),
            output=block.output,
            scale=scale_name(block.output) if setting.is_binary else "",
            scale_momentum=setting.recipe.scale_momentum(choice.batch),
            head="head" in step.tensors,
            is_classifier=block.is_classifier,
            layers=layers,
        )

    def _layer(self, setting: BlockSetting, layer: Layer, slices: Slices) -> LayerRecord:
        if layer.kind == "conv":
            raise UnsupportedError(f"layer '{layer.name}'", "convolutions cannot run on onnxruntime yet", "train other blocks")
        ins, outs = bounds(layer, slices)
        is_binary = setting.recipe.binarize != "none"
        return LayerRecord(layer.name, layer.kind, layer.row_size, ins, outs, is_binary)

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
            stages=stages,
            blocks=blocks,
        )
