"""Measures candidates for the search: assembles a block's step and counts its bytes, once for blocks that are alike."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.partition.schedule import rotations
from tinyfoa_rt.pipeline.job import PlanJob
from tinyfoa_rt.planner.footprint import Before, Footprint, before_each, footprint, peak_nbytes
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.steps import BlockSetting, assemble_forward, assemble_step, to_program
from tinyfoa_rt.steps.storage import constant_nbytes, slice_nbytes, trained_nbytes

__all__ = ["Measure"]


class Measure:
    """Bytes of RAM and of writing for any block and candidate of a job."""

    def __init__(self, job: PlanJob) -> None:
        self.job = job
        self._is_arena = job.target.placement == "arena"
        self._kept = [trained_nbytes(setting) for setting in job.settings]
        self._frozen = _frozen_nbytes(job)
        self._before: dict[int, Mapping[str, Before]] = {}
        self._signature = [_signature(setting) for setting in job.settings]
        self._peaks: dict[Hashable, int] = {}

    @property
    def kept_nbytes(self) -> int:
        """Bytes that the whole model keeps between steps: nonvolatile, or RAM where there is no such memory."""
        return self._frozen + sum(self._kept)

    def most_last_blocks(self, available_nbytes: int) -> int:
        """The largest K for which ``--train last:K`` keeps at most ``available_nbytes``; 0 where there is none."""
        kept_nbytes = self.kept_nbytes
        blocks = self.job.parts.blocks
        first = len(blocks) - len(self.job.settings)
        if any(setting.block is not block for setting, block in zip(self.job.settings, blocks[first:])):
            return 0  # the choice of blocks has gaps; what to leave out is the user's to say
        for index in range(len(self._kept) - 1):
            kept_nbytes += constant_nbytes(self.job.graph, blocks[first + index].nodes, self.job.target) - self._kept[index]
            if kept_nbytes <= available_nbytes:
                return len(self._kept) - 1 - index
        return 0

    def peak(self, index: int, candidate: Candidate) -> int:
        """RAM in bytes that training block ``index`` needs."""
        before = self.before(index, candidate.batch)
        pins = tuple(before.offsets.get(name) for name in self.job.settings[index].block.inputs)
        key = (self._signature[index], candidate, before.peak_nbytes, before.whole_nbytes, before.resident_nbytes, pins)
        if key not in self._peaks:
            program = self.program(index, candidate)
            alignment = self.job.target.alignment
            self._peaks[key] = peak_nbytes(program, before, is_arena=self._is_arena, alignment=alignment)
        return self._peaks[key]

    def footprint(self, index: int, candidate: Candidate) -> Footprint:
        """The buffers of block ``index``."""
        before = self.before(index, candidate.batch)
        program = self.program(index, candidate)
        return footprint(program, before, is_arena=self._is_arena, alignment=self.job.target.alignment)

    def program(self, index: int, candidate: Candidate) -> Program:
        return to_program(assemble_step(self.job.settings[index], self.job.choice(candidate)), self.job.target)

    def written(self, index: int, candidate: Candidate, samples: int) -> int:
        """Nonvolatile bytes written in an epoch of ``samples`` that trains block ``index``."""
        if self.job.target.nonvolatile_bytes == 0:
            return 0
        setting, slices = self.job.settings[index], candidate.slices
        if not self.job.holds_slice(slices):
            return self._kept[index]
        turns = rotations(-(-samples // candidate.batch), slices, self.job.steps_a_turn)
        whole, rest = divmod(turns, slices.count)
        total = 0
        for layer in setting.block.layers:
            per_slice = [slice_nbytes(layer, setting.recipe, setting.target, (slices, i)) for i in range(slices.count)]
            total += whole * sum(per_slice) + sum(per_slice[:rest])
        return total

    def before(self, index: int, batch: int) -> Before:
        """What precedes the step of block ``index``."""
        if batch not in self._before:
            self._before[batch] = self._forward(batch)
        known = self._before[batch][self.job.settings[index].block.name]
        if self.job.target.nonvolatile_bytes != 0:
            return known
        return replace(known, resident_nbytes=self.kept_nbytes - self._kept[index])

    def _forward(self, batch: int) -> Mapping[str, Before]:
        job = self.job
        graph, starts = assemble_forward(job.graph, job.parts, job.trained, job.target, batch)
        program = to_program(graph, job.target)
        inputs_of = {block.name: block.inputs for block in job.parts.blocks}
        return before_each(program, starts, is_arena=self._is_arena, inputs_of=inputs_of)


def _frozen_nbytes(job: PlanJob) -> int:
    trained = {setting.block.name for setting in job.settings}
    nodes = [node for block in job.parts.blocks if block.name not in trained for node in block.nodes]
    return constant_nbytes(job.graph, [*job.parts.stem, *nodes], job.target)


def _signature(setting: BlockSetting) -> Hashable:
    """What the bytes of a block's step depend on: its structure, without the names."""
    block = setting.block
    number: dict[str, int] = {"": -1}
    nodes = []
    for node in block.nodes:
        names = (*node.inputs, *node.outputs)
        operands = tuple((number.setdefault(name, len(number)), _operand(setting, name)) for name in names)
        nodes.append((node.op_type, node.domain, len(node.inputs), operands, _frozen_attributes(node.attributes)))
    layers = tuple((number[layer.output], layer.kind, layer.groups, layer.bias is None) for layer in block.layers)
    inputs = tuple(number[name] for name in block.inputs)
    exports = tuple(number[name] for name in block.exports if name in number)
    return (tuple(nodes), layers, inputs, number[block.output], exports, block.is_classifier)


def _operand(setting: BlockSetting, name: str) -> Hashable:
    if not name:
        return None
    value = setting.graph.values[name]
    return value.dtype, value.shape, value.is_batched, name in setting.binary_values


def _frozen_attributes(attributes: Mapping[str, Attribute]) -> Hashable:
    return tuple(sorted((name, repr(value)) for name, value in attributes.items()))
