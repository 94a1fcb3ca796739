"""Step graph -> program of an arena: which tensors share storage, and how long each storage lives.

1. A view and an update share their input's storage, always.
2. An output may take the storage of an input that dies in this step, if the operator's memory rule says so and it is large
   enough, but not over twice as large: a small tensor would keep it from others. What the step was given is never
   overwritten: two of its inputs may be views of the same bytes.
3. A streamed gradient has no storage; what it is computed from lives until it has been consumed.
4. A storage lives from the step that first writes it to the step that last reads it; persistent ones live throughout.

A runtime with an allocator of its own decides otherwise: tinyfoa_rt/allocation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyfoa_rt.ir.buffer import Buffer, Lifetime
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.plan import Category
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.program import Program, ProgramBuffer, Step
from tinyfoa_rt.ir.step import StepGraph, StepNode, StepTensor
from tinyfoa_rt.ir.verify_program import verify_program
from tinyfoa_rt.operators import Memory, find_operator, memory_rule

__all__ = ["to_program"]


def to_program(graph: StepGraph, profile: Profile) -> Program:
    """Return the program of a step graph on a profile with an arena: steps, their RAM, what they read in nonvolatile memory."""
    analysis = _Liveness(graph, profile)
    for time, node in enumerate(graph.nodes):
        analysis.visit(time, node)
    steps = tuple(Step(node.name, node.phase) for node in graph.nodes)
    program = Program(graph.name, steps, analysis.buffers())
    verify_program(program, graph, packs_bits=profile.packs_bits)
    return program


@dataclass(slots=True)
class _Storage:
    """Bytes that one or more tensors share."""

    nbytes: int
    category: Category
    start: int
    end: int
    is_persistent: bool
    is_input: bool
    tensors: list[str] = field(default_factory=list)


class _Liveness:
    def __init__(self, graph: StepGraph, profile: Profile) -> None:
        self._graph = graph
        self._profile = profile
        self._rules = [memory_rule(node.op_type, node.domain) for node in graph.nodes]
        self._last_use = self._last_uses()
        self._storage: dict[str, _Storage] = {}
        self._scratch: list[tuple[str, int, int]] = []
        computed = {name for node in graph.nodes for name in node.outputs}
        for name in graph.inputs:
            self._place(graph.tensors[name], start=0, is_input=True)
        for tensor in graph.tensors.values():
            if tensor.is_persistent and tensor.place == "ram" and tensor.name not in computed:
                self._place(tensor, start=0)

    def visit(self, time: int, node: StepNode) -> None:
        """Give storage to the outputs of the node that runs at ``time``."""
        rule = self._rules[time]
        for position, name in enumerate(node.outputs):
            if name and not self._is_streamed(rule, position):
                self._place_output(time, node, rule, position)
        tensors = self._graph.tensors
        inputs = [tensors[name].type if name in tensors else None for name in node.inputs]
        row = find_operator(node.op_type, node.domain)
        nbytes = row.scratch(inputs) if row is not None else 0
        if nbytes:
            self._scratch.append((own(node.name, "scratch"), nbytes, time))

    def buffers(self) -> tuple[ProgramBuffer, ...]:
        num_steps = max(1, len(self._graph.nodes))
        unique = {id(storage): storage for storage in self._storage.values()}
        alignment = self._profile.alignment
        result = []
        for storage in unique.values():
            lifetime = Lifetime(0, num_steps) if storage.is_persistent else Lifetime(storage.start, storage.end)
            buffer = Buffer(storage.tensors[0], storage.nbytes, lifetime, alignment)
            result.append(ProgramBuffer(buffer, storage.category, storage.is_persistent, tuple(storage.tensors)))
        for tensor in self._graph.tensors.values():
            if tensor.place == "nonvolatile":
                buffer = Buffer(tensor.name, self._nbytes(tensor), Lifetime(0, num_steps), 1, "nonvolatile")
                result.append(ProgramBuffer(buffer, tensor.category, True, (tensor.name,)))
        for name, nbytes, time in self._scratch:
            buffer = Buffer(name, nbytes, Lifetime(time, time + 1), alignment)
            result.append(ProgramBuffer(buffer, "scratch", False, (name,)))
        return tuple(result)

    def _last_uses(self) -> dict[str, int]:
        """The last step in which each tensor is read; outputs of the graph are read at its end."""
        last: dict[str, int] = {name: len(self._graph.nodes) - 1 for name in self._graph.outputs}
        for time in range(len(self._graph.nodes) - 1, -1, -1):
            node = self._graph.nodes[time]
            rule = self._rules[time]
            streamed = [last.get(name, time) for i, name in enumerate(node.outputs) if name and self._is_streamed(rule, i)]
            until = max([time, *streamed])
            for name in node.inputs:
                if name:
                    last[name] = max(last.get(name, 0), until)
        return last

    def _is_streamed(self, rule: Memory, position: int) -> bool:
        return self._profile.streams_gradients and position in rule.streams

    def _place_output(self, time: int, node: StepNode, rule: Memory, position: int) -> None:
        tensor = self._graph.tensors[node.outputs[position]]
        shared = rule.views.get(position, rule.updates.get(position))
        if shared is not None:
            source = node.inputs[shared] if shared < len(node.inputs) else ""
            if source in self._storage:
                self._join(tensor, self._storage[source])
            elif source and position in rule.updates:
                pass  # the state lies in nonvolatile memory
            else:
                self._place(tensor, start=time)
            return
        for candidate in rule.reuses.get(position, ()):
            storage = self._storage.get(node.inputs[candidate]) if candidate < len(node.inputs) else None
            if storage is not None and self._may_take(storage, tensor, time):
                self._join(tensor, storage)
                return
        self._place(tensor, start=time)

    def _may_take(self, storage: _Storage, tensor: StepTensor, time: int) -> bool:
        is_free = not storage.is_persistent and not storage.is_input
        dies_here = storage.end <= time + 1  # asking every tensor that has lain here makes long chains quadratic
        fits = storage.nbytes // 2 <= self._nbytes(tensor) <= storage.nbytes
        return is_free and dies_here and fits

    def _place(self, tensor: StepTensor, *, start: int, is_input: bool = False) -> None:
        end = max(start, self._last_use.get(tensor.name, start)) + 1
        storage = _Storage(self._nbytes(tensor), tensor.category, start, end, tensor.is_persistent, is_input)
        storage.tensors.append(tensor.name)
        self._storage[tensor.name] = storage

    def _join(self, tensor: StepTensor, storage: _Storage) -> None:
        storage.tensors.append(tensor.name)
        storage.end = max(storage.end, self._last_use.get(tensor.name, 0) + 1)
        self._storage[tensor.name] = storage

    def _nbytes(self, tensor: StepTensor) -> int:
        return tensor.type.nbytes(packs_bits=self._profile.packs_bits)
