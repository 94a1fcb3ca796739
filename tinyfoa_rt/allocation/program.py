"""What a run allocates -> a program: the steps in onnxruntime's order, and the buffers that live in them.

A step of the program is a stretch of nodes that come from one operator of ours. What lives beyond it is a buffer of its own;
what the stretch needs beside them is its scratch. A buffer that is born or dies inside of a stretch counts there as long as the
sum stays what the stretch needs at most, else as part of its scratch: so the sum is exact in every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby
from operator import attrgetter

from tinyfoa_rt.allocation.run import Allocation, allocations
from tinyfoa_rt.allocation.shapes import Value
from tinyfoa_rt.ir.buffer import Buffer, Lifetime
from tinyfoa_rt.ir.inlined import InlinedGraph
from tinyfoa_rt.ir.names import own, parts
from tinyfoa_rt.ir.plan import Category
from tinyfoa_rt.ir.program import Program, ProgramBuffer, Step
from tinyfoa_rt.ir.step import StepGraph

__all__ = ["held_nbytes", "run_program"]


def run_program(step: StepGraph, graph: InlinedGraph, known: Mapping[str, Value]) -> Program:
    """Return the program of a step on onnxruntime.

    Args:
        step: the step.
        graph: the same as onnxruntime runs it.
        known: shapes of the step's tensors.
    """
    taken = allocations(graph, known, graph.outputs)
    phases = {node.name: node.phase for node in step.nodes}
    stretches = [(name, len(list(nodes))) for name, nodes in groupby(graph.nodes, key=attrgetter("source"))]
    names = [name for name, _ in stretches]
    steps = tuple(Step(name, phases.get(name) or phases.get(parts(name)[0], "forward")) for name in names)
    bounds = [0, *accumulate(count for _, count in stretches)]
    buffers = [*_held(step, known, len(steps)), *_Stretches(step, names, bounds).buffers(taken)]
    return Program(step.name, steps, tuple(buffers))


def held_nbytes(step: StepGraph, known: Mapping[str, Value]) -> int:
    """Return the bytes of RAM that the caller of a step holds throughout."""
    return sum(each.buffer.nbytes for each in _held(step, known, 1) if each.buffer.place == "ram")


def _held(step: StepGraph, known: Mapping[str, Value], num_steps: int) -> list[ProgramBuffer]:
    """What the caller holds in steps and between them: inputs, parameters, state, and results that are no new value of these."""
    computed = {name for node in step.nodes for name in node.outputs}
    found = []
    for tensor in step.tensors.values():
        is_kept = tensor.is_persistent and tensor.name not in computed
        is_result = tensor.name in step.outputs and not tensor.next_of
        if tensor.place == "nonvolatile" or is_kept or tensor.name in step.inputs or is_result:
            buffer = Buffer(tensor.name, known[tensor.name].nbytes, Lifetime(0, num_steps), 1, tensor.place)
            found.append(ProgramBuffer(buffer, tensor.category, True, (tensor.name,)))
    return found


class _Stretches:
    """Buffers of stretches ``bounds[i]`` to ``bounds[i + 1]`` of nodes."""

    def __init__(self, step: StepGraph, names: Sequence[str], bounds: Sequence[int]) -> None:
        self._step = step
        self._names = names
        self._bounds = bounds
        self._taken_names: set[str] = set(step.tensors)
        self._computed = {name for node in step.nodes for name in node.outputs}

    def buffers(self, taken: Sequence[Allocation]) -> list[ProgramBuffer]:
        stretch_of = [index for index, (a, b) in enumerate(zip(self._bounds, self._bounds[1:])) for _ in range(a, b)]
        spans = [(stretch_of[each.start], stretch_of[each.end - 1]) for each in taken]
        lasting = [place for place, (first, last) in enumerate(spans) if first < last]
        starts = {place: spans[place][0] for place in lasting}
        ends = {place: spans[place][1] for place in lasting}
        through: list[int] = [0] * len(self._names)
        partial: list[list[int]] = [[] for _ in self._names]
        for place in lasting:
            first, last = spans[place]
            for index in range(first + 1, last):
                through[index] += taken[place].nbytes
            self._at_ends(taken[place], place, (first, last), through, partial)
        scratch = []
        for index, need in enumerate(self._needs(taken)):
            left = need - through[index]
            for place in sorted(partial[index], key=lambda place: -taken[place].nbytes):
                if taken[place].nbytes <= left:
                    left -= taken[place].nbytes
                elif spans[place][0] == index:
                    starts[place] += 1
                else:
                    ends[place] -= 1
            scratch.append(left)
        found = [self._buffer(taken[place], starts[place], ends[place]) for place in lasting if starts[place] <= ends[place]]
        return found + [self._scratch(index, nbytes) for index, nbytes in enumerate(scratch) if nbytes]

    def _at_ends(self, each: Allocation, place: int, span: tuple[int, int], through: list[int], partial: list[list[int]]) -> None:
        """Where it begins and ends it may live in a part of the stretch alone."""
        first, last = span
        for index, is_whole in ((first, each.start == self._bounds[first]), (last, each.end == self._bounds[last + 1])):
            if is_whole:
                through[index] += each.nbytes
            else:
                partial[index].append(place)

    def _needs(self, taken: Sequence[Allocation]) -> list[int]:
        """The most bytes that are live at any node of each stretch."""
        change = [0] * (self._bounds[-1] + 1)
        for each in taken:
            change[each.start] += each.nbytes
            change[each.end] -= each.nbytes
        live, needs = 0, []
        for first, stop in zip(self._bounds, self._bounds[1:]):
            most = 0
            for delta in change[first:stop]:
                live += delta
                most = max(most, live)
            needs.append(most)
        return needs

    def _buffer(self, each: Allocation, start: int, end: int) -> ProgramBuffer:
        tensor, name = self._step.tensors.get(each.name), each.name
        category: Category = "scratch"
        if tensor is None:
            name = self._unique(own(self._names[start], parts(each.name)[-1]))
        elif each.name not in self._computed:  # a constant that is dequantized lies beside the integers of its name
            name = self._unique(own(each.name, "real"))
        else:
            category = tensor.category
        return ProgramBuffer(Buffer(name, each.nbytes, Lifetime(start, end + 1), 1), category, False, (name,))

    def _scratch(self, index: int, nbytes: int) -> ProgramBuffer:
        name = self._unique(own(self._names[index], "scratch"))
        return ProgramBuffer(Buffer(name, nbytes, Lifetime(index, index + 1), 1), "scratch", False, (name,))

    def _unique(self, name: str) -> str:
        count, found = 1, name
        while found in self._taken_names:
            count += 1
            found = own(name, str(count))
        self._taken_names.add(found)
        return found
