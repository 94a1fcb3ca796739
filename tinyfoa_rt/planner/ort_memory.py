"""The memory of graphs on onnxruntime: emitted as they run there, and counted node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from tinyfoa_rt.allocation import PACKED_KERNELS, Value, allocations, held_nbytes, run_program
from tinyfoa_rt.emit import can_pack, emit_forward, emit_step
from tinyfoa_rt.emit.inlining import inline_functions
from tinyfoa_rt.emit.packed import PackedForm
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.inlined import InlinedGraph
from tinyfoa_rt.ir.names import SIZED, own
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.program import Program, in_sequence
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.step import WORD_BITS, StepGraph, TensorType
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.providers import rewrites_for
from tinyfoa_rt.steps import BlockContext, StepChoice, assemble_forward, halves_of
from tinyfoa_rt.steps.stages import cut_stages

__all__ = ["StageMemory", "forward_stages", "step_held_nbytes", "step_program"]


def step_program(step: StepGraph, context: BlockContext, choice: StepChoice) -> Program:
    """Return the program of the training step of a block, in its sizes, as onnxruntime runs it.

    Raises:
        UnsupportedError: an operator cannot run there.
    """
    if step.first_update:
        return in_sequence(*(step_program(half, context, choice) for half in halves_of(step)))
    graph = _inlined(step, emit_step, context.profile)
    known = _known(step, context.profile)
    for layer in context.block.layers:
        origin = own(layer.name, "origin")
        if origin in known:
            known[origin] = Value.of(np.array((0, 0, *SliceGrid.of(layer, choice.slices).largest), dtype=np.int32))
    return run_program(step, graph, known)


def step_held_nbytes(step: StepGraph, profile: Profile) -> int:
    """Return the bytes of RAM that a step's caller holds throughout: a part of what :func:`step_program` says, in no time."""
    return held_nbytes(step, _known(step, profile))


def _inlined(graph: StepGraph, emit: Callable[..., Any], profile: Profile) -> InlinedGraph:
    """A step or a stage as onnxruntime runs it, with the library of kernels where the profile has it."""
    if not profile.has_kernels:
        return inline_functions(emit(graph, rewrites=rewrites_for(profile.provider)))
    if not can_pack(graph):
        problem = f"has kernels for dense layers behind dense layers, and '{graph.name}' has other bits"
        raise UnsupportedError(f"target {profile.name}", problem, "plan for ort-cpu")
    return inline_functions(emit(graph, is_packed=True), PACKED_KERNELS)


def forward_stages(task: PlanningTask, rows: int) -> tuple[StepGraph, ...]:
    """The stages of the forward pass of ``rows`` samples, as they are run."""
    forward, starts = assemble_forward(task.graph, task.parts, task.trained, task.profile, rows)
    return cut_stages(forward, starts, [context.block for context in task.contexts], task.score)


@dataclass
class StageMemory:
    """Bytes that stages of a forward pass take, for any number of samples."""

    profile: Profile
    _graphs: dict[str, InlinedGraph] = field(default_factory=dict)

    def peak_nbytes(self, stages: Sequence[StepGraph]) -> list[int]:
        """Return what each stage takes at most: the values that are there when it begins and are read later, and its own run's.

        Args:
            stages: of a pass over a given number of samples.
        """
        return [self._stage_nbytes(stage) + self._waiting_nbytes(stages, place) for place, stage in enumerate(stages)]

    def _stage_nbytes(self, stage: StepGraph) -> int:
        if not stage.nodes:
            return 0
        if stage.name not in self._graphs:
            self._graphs[stage.name] = _inlined(stage, emit_forward, self.profile)
        graph = self._graphs[stage.name]
        taken = allocations(graph, _known(stage, self.profile), ())
        change = [0] * (len(graph.nodes) + 1)
        for each in taken:
            change[each.start] += each.nbytes
            change[each.end] -= each.nbytes
        return int(np.cumsum(change).max())

    def _waiting_nbytes(self, stages: Sequence[StepGraph], place: int) -> int:
        """What a stage is given, what was made before it and is read after it, and the samples, which are there throughout."""
        before = {name for stage in stages[:place] for name in (*stage.inputs, *stage.outputs)}
        waiting = {name for stage in stages[place:] for name in stage.inputs} & before
        samples = next((stage.inputs for stage in stages if stage.nodes), ())
        waiting.update((*stages[place].inputs, *samples))
        known = _known(stages[place], self.profile)
        return sum(known[name].nbytes for name in waiting)


def _known(step: StepGraph, profile: Profile) -> dict[str, Value]:
    known = {name: _value(tensor.type) for name, tensor in step.tensors.items()}
    # What depends on the number of samples is computed in every run, under a name of its own.
    sized = [constant for constant in step.constants.values() if constant.sized is not None]
    known.update((own(each.name, SIZED), Value.of(each.read())) for each in sized)
    if profile.has_kernels:
        form = PackedForm(step)
        matrices = [name for name in form.packed if len(step.tensors[name].type.shape) == 2]
        known.update((name, Value(form.packed_shape(name), WORD_BITS // 8)) for name in matrices)
    return known


@lru_cache(maxsize=1024)
def _value(of: TensorType) -> Value:
    return Value(of.shape, of.nbytes(packs_bits=False) // of.size if of.size else 1)
