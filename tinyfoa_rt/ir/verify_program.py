"""The verifier of programs: storage is there while it is needed. It shares no code with what decided so."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.program import Program, ProgramBuffer
from tinyfoa_rt.ir.step import StepGraph
from tinyfoa_rt.ir.verify_step import VIEWS, StepFault

__all__ = ["verify_program"]


def verify_program(program: Program, graph: StepGraph, *, packs_bits: bool) -> None:
    """Check that every tensor of ``graph`` has storage that is large enough from where it is written to where it is last read.

    Gradients that are used as they are computed have no storage: what they are computed from is read where they are. Tensors
    that share storage come one after the other.

    Raises:
        StepFault: names the first fault found.
    """
    if [step.name for step in program.steps] != [node.name for node in graph.nodes]:
        raise StepFault(f"{program.name}: its steps are not the nodes of the step graph")
    where = {name: each for each in program.buffers for name in each.tensors}
    if len(where) < sum(len(each.tensors) for each in program.buffers):
        raise StepFault(f"{program.name}: a tensor lies in two buffers")
    spans = _spans(graph, where)
    for name, (first, last) in spans.items():
        tensor, kept = graph.tensors[name], where.get(name)
        if kept is None:
            if tensor.role != "grad":
                raise StepFault(f"{program.name}: {name} has no storage")
            continue
        lifetime = kept.buffer.lifetime
        if kept.buffer.nbytes < tensor.type.nbytes(packs_bits=packs_bits) or kept.buffer.place != tensor.place:
            raise StepFault(f"{program.name}: {name} is larger than its storage, or lies elsewhere")
        if lifetime.start > first or lifetime.end <= last or (tensor.is_persistent and not kept.is_persistent):
            raise StepFault(f"{program.name}: {name} is needed from {first} to {last}, its storage lives {lifetime}")
    _verify_storage(program, graph, spans)


def _verify_storage(program: Program, graph: StepGraph, spans: Mapping[str, tuple[int, int]]) -> None:
    """Each storage: its name, how long it lives, and that its tensors follow each other."""
    num_steps = max(1, len(program.steps))
    names = [each.buffer.name for each in program.buffers]
    if len(set(names)) < len(names):
        raise StepFault(f"{program.name}: two buffers have the name {next(name for name in names if names.count(name) > 1)}")
    for each in program.buffers:
        lifetime = each.buffer.lifetime
        if not 0 <= lifetime.start < lifetime.end <= num_steps:
            raise StepFault(f"{program.name}: {each.buffer.name} lives {lifetime} in {num_steps} steps")
        if each.is_persistent and lifetime.end - lifetime.start < num_steps:
            raise StepFault(f"{program.name}: {each.buffer.name} is kept, but lives {lifetime} in {num_steps} steps")
        if len(each.tensors) > 1:
            _verify_sharing(graph, each, spans)


def _verify_sharing(graph: StepGraph, storage: ProgramBuffer, spans: Mapping[str, tuple[int, int]]) -> None:
    """A tensor takes the bytes of those before it once they have been read; what was given, its next value alone may take."""
    whole: set[str] = set()  # the last one written, and its views
    is_given, until = False, 0
    for name in storage.tensors:
        first, last = spans.get(name, (0, 0))
        node = graph.nodes[first]
        is_computed = name in node.outputs
        is_view = is_computed and node.op_type in VIEWS and not node.domain
        if whole and not is_view:
            if until > first or (is_given and graph.tensors[name].next_of not in whole):
                raise StepFault(f"{graph.name}: {name} overwrites {', '.join(sorted(whole))}, which is needed")
            whole.clear()
            is_given, until = False, 0
        whole.add(name)
        is_given, until = is_given or not is_computed, max(until, last)


def _spans(graph: StepGraph, where: Mapping[str, ProgramBuffer]) -> Mapping[str, tuple[int, int]]:
    """The first and the last step in which each tensor that a node reads or writes must be there."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    streamed: dict[str, tuple[str, ...]] = {}
    for time, node in enumerate(graph.nodes):
        reads = node.inputs
        if streamed:
            reads = tuple(each for name in reads for each in (name, *streamed.get(name, ())))
        for name in node.outputs:
            if name:
                first[name] = last[name] = time
                if name not in where:
                    streamed[name] = reads
        for name in reads:
            last[name] = time
    for name in first:
        if graph.tensors[name].next_of or name in graph.outputs:
            last[name] = len(graph.nodes) - 1
    return {name: (first.get(name, 0), time) for name, time in last.items() if name in graph.tensors}
