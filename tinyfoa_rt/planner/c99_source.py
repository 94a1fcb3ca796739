"""A planned model as lowering to C99 takes it: step graphs with the offsets that the plan gave them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.export.c99 import BlockSource, LayerSource, ModelSource
from tinyfoa_rt.ir.latents import draw_key
from tinyfoa_rt.ir.names import scale_of, split
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.footprint import place_forward, transient_base
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.storage_layout import lay_out
from tinyfoa_rt.planner.stored import followed_by, kept_by_block, stored_layers, stored_model
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import BlockContext, assemble_forward, to_program
from tinyfoa_rt.steps.methods import method_of

__all__ = ["model_source"]

# Longer than a trainer's turn on a computer, for each one writes a slice to the storage; an application may set its own.
_STEPS_A_TURN = 10


def model_source(
    costs: BlockCosts, candidates: Sequence[Candidate], rates: Mapping[str, float], state: Mapping[str, NDArray[Any]], score: str
) -> ModelSource:
    """Return what :func:`tinyfoa_rt.export.c99.lower` needs.

    Args:
        costs: of a task for a profile that runs generated C.
        candidates: the sizes of each trained block.
        rates: at which each block starts, by its name.
        state: tensors of a checkpoint, or of the state that training begins with.
        score: the value whose largest element is the class.
    """
    task, batch = costs.task, candidates[0].batch
    forward, starts = assemble_forward(task.graph, task.parts, task.trained, task.profile, batch)
    inputs_of = {block.name: block.inputs for block in task.parts.blocks}
    program = to_program(forward, task.profile)
    offsets = place_forward(program, inputs_of)
    extent = _end(program, offsets)
    blocks = [
        _block(costs, index, candidate, rates.get(task.contexts[index].block.name, 0.0), extent)
        for index, candidate in enumerate(candidates)
    ]
    stored = stored_model(task, candidates)
    return ModelSource(
        name=task.graph.name,
        blocks=tuple(blocks),
        stored=stored,
        layout=lay_out(stored, task.profile.page_bytes),
        profile=task.profile,
        forward=forward,
        starts=tuple(starts[context.block.name] for context in task.contexts),
        offsets=offsets,
        score=score,
        weight_scale=task.recipe.weight_scale,
        loss=task.recipe.loss,
        rotate_every=task.options.rotate_every or (_STEPS_A_TURN if task.options.slices_per_step == 1 else 1),
        state=state,
    )


def _block(costs: BlockCosts, index: int, candidate: Candidate, rate: float, extent: int) -> BlockSource:
    """``extent`` is the length of the forward pass, which lies where the step does."""
    context = costs.task.contexts[index]
    layers = _layers(costs.task, context, candidate)
    steps = [_step(costs, index, each, rate, extent) for each in costs.steps(index, candidate)]
    if len(steps) == 1:
        return replace(steps[0], layers=layers)
    base, end, peak = (max(getattr(each, field) for each in steps) for field in ("base", "end", "peak_nbytes"))
    moved, kept = layers[: len(steps)], layers[len(steps) :]
    own = tuple(replace(step, layers=(layer, *kept)) for step, layer in zip(steps, moved, strict=True))
    return replace(steps[0], layers=layers, base=base, end=end, peak_nbytes=peak, steps=own)


def _layers(task: PlanningTask, context: BlockContext, candidate: Candidate) -> tuple[LayerSource, ...]:
    """The layers of a block, and what it keeps for its method and steps change."""
    layers = [
        LayerSource(
            stored,
            math.prod(task.graph.shape(layer.output)[2:]) if layer.kind in ("conv", "bias") else 1,  # a frame is a row
            key=draw_key(task.recipe.seed, layer.name),
        )
        for layer, stored in zip(context.block.layers, stored_layers(context, candidate))
    ]
    kept = [
        LayerSource(stored, tensor=name, key=draw_key(task.recipe.seed, stored.name))
        for name, stored in kept_by_block(context).items()
    ]
    return (*layers, *kept)


def _step(costs: BlockCosts, index: int, candidate: Candidate, rate: float, extent: int) -> BlockSource:
    """One of the steps of a block, whose layers are still to be said."""
    task, context = costs.task, costs.task.contexts[index]
    before = costs.before(index, candidate.batch)
    program, need = costs.program(index, candidate), costs.footprint_of_step(index, candidate)
    base = transient_base(program, before, task.profile.alignment)
    planned = {buffer.name: buffer.offset for buffer in need.buffers}
    offsets = _offsets(program, planned, {name: base + offset for name, offset in before.offsets.items()})
    return BlockSource(
        name=context.block.name,
        layers=(),
        step=costs.step(index, candidate),
        offsets=offsets,
        base=base,
        end=max(_end(program, offsets), base + extent),
        peak_nbytes=need.peak_nbytes,
        scales=tuple(scale_of(part.output) for part in context.binary_parts),
        starting_rate=rate,
        slices_per_step=task.slices_per_step(candidate.slices),
        statistics=followed_by(context),
        constants=_constants(context),
    )


def _constants(context: BlockContext) -> tuple[str, ...]:
    """What a method keeps and steps only read; the quantum of a head is part of the head's format."""
    kept = method_of(context.recipe.method).kept(context)
    return tuple(each.name for each in kept if each.is_constant and not split(each.name)[0])


def _offsets(program: Program, planned: Mapping[str, int | None], entering: Mapping[str, int]) -> dict[str, int]:
    """Where each tensor of a step lies in the arena: its buffer, or where the forward pass has left it."""
    offsets: dict[str, int] = {}
    for each in program.buffers:
        name = each.buffer.name
        # Of two views of the same bytes that enter, the plan holds one.
        offset = planned[name] if name in planned else entering[name]
        if offset is not None:
            offsets.update(dict.fromkeys(each.tensors, offset))
    return offsets


def _end(program: Program, offsets: Mapping[str, int]) -> int:
    """The byte behind the last buffer in RAM."""
    in_ram = [each for each in program.buffers if each.buffer.place == "ram" and each.tensors[0] in offsets]
    return max(offsets[each.tensors[0]] + each.buffer.nbytes for each in in_ram)
