"""Puts an artifact together: step graphs, forward graphs, manifest and initial state; it trains without onnx."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.artifact.folder import INFERENCE, PLAN, Artifact, exit_path, head_path, packed_path
from tinyfoa_rt.artifact.inference import find_parameters
from tinyfoa_rt.artifact.plan_file import dumps
from tinyfoa_rt.artifact.records import (
    ARTIFACT_FORMAT,
    BlockRecord,
    InputRecord,
    LayerRecord,
    LossRecord,
    Manifest,
    OptimizerRecord,
    TensorRecord,
)
from tinyfoa_rt.builder.initial_tensors import initial_tensors
from tinyfoa_rt.builder.rates import rate_of_block
from tinyfoa_rt.emit import can_pack, emit_forward, emit_inference, emit_step
from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.latents import FLOAT
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.planner.ort_memory import forward_stages
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.providers import rewrites_for
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.steps import BlockContext, StepChoice, assemble_forward, assemble_step, halves_of
from tinyfoa_rt.steps.exits import assemble_exit
from tinyfoa_rt.steps.methods import method_of
from tinyfoa_rt.steps.stages import cut_stages

__all__ = ["ArtifactBuilder"]


class ArtifactBuilder:
    """Makes one artifact of a plan; :meth:`build` is called once."""

    def __init__(self, task: PlanningTask, plan: Plan) -> None:
        self._task = task
        self._plan = plan
        self._models: dict[str, bytes] = {PLAN: (dumps(plan) + "\n").encode()}
        self._rewrites = rewrites_for(task.profile.provider)
        self._graphs: dict[str, tuple[StepGraph, Callable[..., Any]]] = {}

    def build(self, choices: Sequence[StepChoice], rows: int, *, exits: bool = False) -> Artifact:
        """Return the artifact.

        Args:
            choices: the sizes of each block's step.
            rows: how many samples a forward pass takes at once.
            exits: each hidden block can predict by its own head, and the trained model can end there.
        """
        task = self._task
        blocks = tuple(self._block(context, choice) for context, choice in zip(task.contexts, choices))
        real = {name: replace(recipe, latent=FLOAT) for name, recipe in task.trained.items()}  # the trained model is of these
        forward, _ = assemble_forward(task.graph, task.parts, real, task.profile, 1)
        stages = []
        for number, stage in enumerate(forward_stages(task, 1)):
            stages.append(f"forward/{number}.onnx" if stage.nodes else "")
            if stage.nodes:
                self._add(stages[-1], stage, emit_forward)
        for number, context in enumerate(task.contexts if exits else ()):
            self._add_head(number, context)
        initial = initial_tensors(task, blocks)
        manifest = self._manifest(tuple(stages), blocks, rows)
        tensors = ModelState(manifest, initial).forward_tensors(as_bytes=True)
        inference = emit_inference(forward, tensors, self._rewrites, task.graph.renamed).SerializeToString(deterministic=True)
        self._models[INFERENCE] = inference
        for number, context in enumerate(task.contexts if exits else ()):
            self._add_exit(number, context, real, {**tensors, **ModelState(manifest, initial).kept(as_reals=True)})
        if exits:
            self._models[exit_path(len(blocks))] = inference
        manifest = replace(manifest, parameters=find_parameters(inference, tensors))
        if all(can_pack(graph) for graph, _ in self._graphs.values()):
            for path, (graph, emit) in self._graphs.items():
                self._models[packed_path(path)] = emit(graph, is_packed=True).SerializeToString(deterministic=True)
        return Artifact(manifest, self._models, initial)

    def _add(self, path: str, graph: StepGraph, emit: Callable[..., Any]) -> None:
        """Emit a step or a stage; the packed form follows where all of them have one, since they hand bits to each other."""
        self._models[path] = emit(graph, rewrites=self._rewrites).SerializeToString(deterministic=True)
        self._graphs[path] = (graph, emit)

    def _add_head(self, number: int, context: BlockContext) -> None:
        """The stage from what enters a block to what it predicts by itself."""
        task = self._task
        found = assemble_exit(task.parts, task.trained, context, task.score)
        if found is not None:
            passed = [each.block for each in task.contexts[: number + 1]]
            self._add(head_path(number), cut_stages(*found, passed, task.score)[-1], emit_forward)

    def _add_exit(
        self, number: int, context: BlockContext, real: Mapping[str, Recipe], tensors: Mapping[str, NDArray[Any]]
    ) -> None:
        """The trained model that ends at a block."""
        task = self._task
        context = replace(context, recipe=real[context.block.name])
        found = assemble_exit(task.parts, real, context, task.score, _output(task.graph))
        if found is not None:
            model = emit_inference(found[0], tensors, self._rewrites, task.graph.renamed)
            self._models[exit_path(number)] = model.SerializeToString(deterministic=True)

    def _block(self, context: BlockContext, choice: StepChoice) -> BlockRecord:
        block, method = context.block, method_of(context.recipe.method)
        moving = self._task.moving(block)
        steps = [assemble_step(context, replace(choice, moving=each)) for each in moving]
        step = steps[0]
        if step.first_update:
            steps = [*halves_of(step)]
        paths = [f"steps/{len(self._graphs) + number}.onnx" for number in range(1, 1 + len(steps))]  # steps come first
        for path, each in zip(paths, steps):
            self._add(path, each, emit_step)
        layers = tuple(self._layer(context, layer, choice.slices) for layer in block.layers)
        return BlockRecord(
            name=block.name,
            step=paths[0],
            layer_steps=tuple(paths) if len(moving) > 1 else (),
            slices_per_step=choice.slices_per_step,
            slice_step=paths[1] if step.first_update else "",
            inputs=tuple(name for name in step.inputs if name not in step.constants),
            output=block.output,
            binary=tuple(part.output for part in context.binary_parts),
            scale_momentum=context.recipe.scale_momentum(choice.batch),
            statistics=tuple(node.outputs[0] for node in context.running),
            statistics_momentum=tuple(
                context.recipe.statistics_momentum(node.float("momentum", 0.9), choice.batch) for node in context.running
            ),
            scores=step.scores,
            kept=tuple(each.name for each in method.kept(context)),
            rate=rate_of_block(self._task, context, choice),
            is_classifier=block.is_classifier,
            layers=layers,
        )

    def _layer(self, context: BlockContext, layer: Layer, slices: Slices) -> LayerRecord:
        grid = SliceGrid.of(layer, slices)
        is_binary = context.recipe_of(layer).binarize != "none"
        leading = {"dense": (), "bias": (), "conv": (layer.taps,), "local": (layer.positions, layer.taps)}[layer.kind]
        shape = (*leading, layer.in_features, layer.out_features)
        return LayerRecord(layer.name, layer.kind, shape, grid.ins, grid.outs, grid.turns, layer.bias is not None, is_binary)

    def _tensors(self) -> tuple[TensorRecord, ...]:
        """What steps and stages are given or hand out and is no value of the model."""
        found: dict[str, TensorRecord] = {}
        for graph, _ in self._graphs.values():
            for tensor in graph.tensors.values():
                if tensor.role != "value" and (tensor.is_persistent or tensor.name in graph.outputs):
                    found[tensor.name] = TensorRecord(tensor.name, tensor.role, tensor.owner, tensor.next_of)
        return tuple(found.values())

    def _manifest(self, stages: tuple[str, ...], blocks: tuple[BlockRecord, ...], rows: int) -> Manifest:
        task, plan = self._task, self._plan
        return Manifest(
            format=ARTIFACT_FORMAT,
            model=task.graph.name,
            inputs=tuple(InputRecord(n, task.graph.values[n].dtype, task.graph.shape(n)) for n in task.graph.inputs),
            output=_output(task.graph),
            score=task.score,
            num_outputs=task.recipe.num_outputs,
            loss=LossRecord.of(task.recipe.loss),
            batch=plan.batch,
            optimizer=OptimizerRecord.of(task.recipe.optimizer),
            schedule=plan.options.schedule,
            binarize=task.recipe.binarize,
            activation_bits=task.recipe.activation_bits,
            block_output=task.recipe.block_output,
            order=plan.options.order,
            peak_bytes=plan.peak_bytes,
            budget_bytes=plan.budget_bytes if plan.profile.runtime == "ort" else 0,
            rows=rows,
            needs_kernels=task.profile.has_kernels,
            frozen_blocks=len(task.parts.blocks) - len(task.contexts),
            stages=stages,
            blocks=blocks,
            tensors=self._tensors(),
            parameters=(),  # known when the trained model is emitted
        )


def _output(graph: Graph) -> str:
    """The output that classifies or reconstructs."""
    return next(name for name in graph.outputs if not graph.is_constant(name))
