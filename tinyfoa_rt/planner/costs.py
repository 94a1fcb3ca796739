"""Measures candidates for the search: assembles a block's step and counts its bytes, once for blocks that are alike."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.partition.schedule import rotations
from tinyfoa_rt.planner.footprint import Before, Footprint, before_each, footprint, peak_nbytes, transient_base
from tinyfoa_rt.planner.ort_memory import StageMemory, forward_stages, step_held_nbytes, step_program
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.segments import Segments, segments_of
from tinyfoa_rt.planner.storage_layout import turn_nbytes
from tinyfoa_rt.planner.stored import block_model
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import BlockContext, assemble_forward, assemble_step, to_program
from tinyfoa_rt.steps.storage import constant_nbytes, slice_nbytes, trained_nbytes

__all__ = ["MOST_ROWS", "BlockCosts"]

MOST_ROWS = 250
_MOST_STEPS = 64  # that are kept at a time; of a large network each takes a few hundred kilobytes


class BlockCosts:
    """Bytes of RAM and of writing for any block and candidate of a task."""

    def __init__(self, task: PlanningTask) -> None:
        self.task = task
        self._is_arena = task.profile.placement == "arena"
        self._kept = [trained_nbytes(context) for context in task.contexts]
        self._frozen = _frozen_nbytes(task)
        self._before: dict[int, Mapping[str, Before]] = {}
        self._signature = [_signature(context) for context in task.contexts]
        self._segments: dict[Hashable, tuple[Segments, ...]] = {}
        self._held: dict[Hashable, int] = {}
        self._peaks: dict[Hashable, int] = {}
        self._stages = StageMemory(task.profile)
        self._passes: dict[int, int] = {}
        # The step of a block by its position and a candidate, and its program; of many that are asked for, the last.
        self.step = lru_cache(_MOST_STEPS)(self._step)
        self.program = lru_cache(_MOST_STEPS)(self._program)

    @property
    def kept_of_blocks(self) -> Sequence[int]:
        """Bytes that each trained block keeps between steps: tensors, as onnxruntime holds them."""
        return self._kept

    def segments(self, index: int) -> tuple[Segments, ...]:
        """The ways to cut the forward pass of block ``index`` that are tried; see :func:`segments_of`."""
        key = self._signature[index]
        if key not in self._segments:
            task, context = self.task, self.task.contexts[index]
            finest = task.grids(context.block)[-1]
            largest = task.choice(Candidate(finest, task.batches[-1]))
            self._segments[key] = segments_of(context, largest, task.options.recompute)
        return self._segments[key]

    @property
    def frozen_nbytes(self) -> int:
        """Bytes of the weights of blocks that are not trained."""
        return self._frozen

    def peak(self, index: int, candidate: Candidate) -> int:
        """RAM in bytes that training block ``index`` needs: that of its largest step."""
        return max(self._peak(index, each) for each in self.steps(index, candidate))

    def steps(self, index: int, candidate: Candidate) -> list[Candidate]:
        """The steps of block ``index``: one, or one for each layer where they take turns."""
        return [replace(candidate, moving=each) for each in self.task.moving(self.task.contexts[index].block)]

    def largest(self, index: int, candidate: Candidate) -> Candidate:
        """The step of block ``index`` that needs most RAM."""
        return max(self.steps(index, candidate), key=lambda each: self._peak(index, each))

    def _peak(self, index: int, candidate: Candidate) -> int:
        before = self.before(index, candidate.batch)
        pins = tuple(before.offsets.get(name) for name in self.task.contexts[index].block.inputs)
        key = (self._signature[index], candidate, before.peak_nbytes, before.whole_nbytes, before.resident_nbytes, pins)
        if key not in self._peaks:
            program = self.program(index, candidate)
            alignment = self.task.profile.alignment
            self._peaks[key] = peak_nbytes(program, before, is_arena=self._is_arena, alignment=alignment)
        return self._peaks[key]

    def least(self, index: int, candidate: Candidate) -> int:
        """A lower bound of :meth:`peak`: other blocks' parameters, passes, and what a step on onnxruntime holds throughout."""
        before = self.before(index, candidate.batch)
        known = before.resident_nbytes + max(before.peak_nbytes, before.whole_nbytes)
        if self._is_arena:  # its steps are counted quickly
            return known
        key = (self._signature[index], candidate.slices, candidate.batch)  # what is computed again is not held
        if key not in self._held:
            steps = [self.step(index, each) for each in self.steps(index, candidate)]
            self._held[key] = max(step_held_nbytes(each, self.task.profile) for each in steps)
        return self._held[key] + known

    def footprint(self, index: int, candidate: Candidate) -> Footprint:
        """The buffers of block ``index``, in its largest step."""
        return self.footprint_of_step(index, self.largest(index, candidate))

    def footprint_of_step(self, index: int, candidate: Candidate) -> Footprint:
        """The buffers of one of the steps of block ``index``."""
        before = self.before(index, candidate.batch)
        program = self.program(index, candidate)
        return footprint(program, before, is_arena=self._is_arena, alignment=self.task.profile.alignment)

    def _step(self, index: int, candidate: Candidate) -> StepGraph:
        return assemble_step(self.task.contexts[index], self.task.choice(candidate))

    def _program(self, index: int, candidate: Candidate) -> Program:
        step, context = self.step(index, candidate), self.task.contexts[index]
        return to_program(step, context.profile) if self._is_arena else step_program(step, context, self.task.choice(candidate))

    def turns(self, index: int, candidate: Candidate, samples: int) -> int:
        """Turns of slices that end in an epoch of ``samples`` which trains block ``index``; one where nothing takes turns."""
        if not self.task.holds_slice(candidate.slices):
            return 1
        layers = len(self.task.moving(self.task.contexts[index].block))
        moved, steps = self.task.slices_per_step(candidate.slices), -(-samples // candidate.batch)
        return moved * rotations(steps, layers * candidate.slices.count, self.task.steps_a_turn)

    def written(self, index: int, candidate: Candidate, samples: int) -> int:
        """Nonvolatile bytes written in an epoch of ``samples`` that trains block ``index``, beside headers."""
        if self.task.profile.nonvolatile_bytes == 0:
            return 0
        context, slices = self.task.contexts[index], candidate.slices
        is_cut = self.task.holds_slice(slices) or any(layer.is_in_part for layer in context.block.layers)
        if self.task.profile.runtime == "ort" and not is_cut:
            return self._kept[index]
        turns, layers = self.turns(index, candidate, samples), len(self.task.moving(context.block))
        total = 0
        for place, each in enumerate(self._turn_nbytes(context, index, candidate)):
            in_turn = layers if place < len(context.block.layers) else 1  # what the method keeps moves in every turn
            whole, rest = divmod(-(-(turns - place % in_turn) // in_turn), slices.count)
            total += whole * sum(each) + sum(each[:rest])
        return total

    def _turn_nbytes(self, context: BlockContext, index: int, candidate: Candidate) -> list[list[int]]:
        """Bytes that the end of each slice's turn writes, layer by layer."""
        numbers = range(candidate.slices.count)
        if self.task.profile.runtime == "ort":
            return [self._slice_nbytes(context, layer, candidate.slices) for layer in context.block.layers]
        model = block_model(self.task, index, candidate)
        return [[turn_nbytes(model, layer, i % layer.grid.turns) for i in numbers] for layer in model.layers]

    def _slice_nbytes(self, context: BlockContext, layer: Layer, slices: Slices) -> list[int]:
        """Bytes that the end of each turn writes of a layer, whose own slices may be fewer."""
        count = SliceGrid.of(layer, slices).turns
        own = [slice_nbytes(layer, context.recipe_of(layer), context.profile, (slices, i)) for i in range(count)]
        return [own[i % count] for i in range(slices.count)]

    def before(self, index: int, batch: int) -> Before:
        """What precedes the step of block ``index``."""
        if not self._is_arena:
            known = Before(0, {}, whole_nbytes=self.pass_nbytes(1))
        else:
            if batch not in self._before:
                self._before[batch] = self._forward(batch)
            known = self._before[batch][self.task.contexts[index].block.name]
        if self.task.profile.nonvolatile_bytes != 0:
            return known
        return replace(known, resident_nbytes=self._frozen + sum(self._kept) - self._kept[index])

    def _forward(self, batch: int) -> Mapping[str, Before]:
        task = self.task
        graph, starts = assemble_forward(task.graph, task.parts, task.trained, task.profile, batch)
        inputs_of = {block.name: block.inputs for block in task.parts.blocks}
        return before_each(to_program(graph, task.profile), starts, inputs_of)

    def pass_nbytes(self, rows: int) -> int:
        """RAM in bytes that onnxruntime takes for a pass of ``rows`` samples through the whole model, stage by stage."""
        if rows not in self._passes:
            self._passes[rows] = max(self._stages.peak_nbytes(forward_stages(self.task, rows)))
        return self._passes[rows]

    def most_rows(self, candidates: Sequence[Candidate], nbytes: int) -> int:
        """How many samples, 250 at most, a pass takes at once in ``nbytes`` of RAM, while any of the blocks is in training."""
        alignment = self.task.profile.alignment
        held = max(
            transient_base(self.program(index, self.largest(index, each)), self.before(index, each.batch), alignment)
            for index, each in enumerate(candidates)
        )
        return max(1, bisect_right(range(1, MOST_ROWS + 1), nbytes - held, key=self.pass_nbytes))


def _frozen_nbytes(task: PlanningTask) -> int:
    trained = {context.block.name for context in task.contexts}
    nodes = [node for block in task.parts.blocks if block.name not in trained for node in block.nodes]
    return constant_nbytes(task.graph, [*task.parts.stem, *nodes, *task.parts.behind], task.profile)


def _signature(context: BlockContext) -> Hashable:
    """What the bytes of a block's step depend on: its structure, without the names."""
    block = context.block
    number: dict[str, int] = {"": -1}
    nodes = []
    for node in block.nodes:
        names = (*node.inputs, *node.outputs)
        operands = tuple((number.setdefault(name, len(number)), _operand(context, name)) for name in names)
        nodes.append((node.op_type, node.domain, len(node.inputs), operands, _frozen_attributes(node.attributes)))
    layers = tuple(
        (number[layer.output], layer.kind, layer.groups, layer.bias is None, layer.trained_inputs) for layer in block.layers
    )
    parts = tuple((number[part.output], part.keeps_reals, part.layers[0] in block.layers) for part in block.parts)
    inputs = tuple(number[name] for name in block.inputs)
    exports = tuple(number[name] for name in block.exports if name in number)
    return (tuple(nodes), layers, parts, inputs, number[block.output], exports, context.recipe, block.keeps_reals)


def _operand(context: BlockContext, name: str) -> Hashable:
    if not name:
        return None
    value = context.graph.values[name]
    return value.dtype, value.shape, value.growth, name in context.binary_values


def _frozen_attributes(attributes: Mapping[str, Attribute]) -> Hashable:
    return tuple(sorted((name, repr(value)) for name, value in attributes.items()))
