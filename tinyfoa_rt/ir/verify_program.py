"""The verifier of programs: storage is there while it is needed. It shares no code with what decided so."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.program import Program, ProgramBuffer
from tinyfoa_rt.ir.step import StepGraph, StepNode
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
    writers = {name: (time, node) for time, node in enumerate(graph.nodes) for name in node.outputs if name}
    names: set[str] = set()
    for each in program.buffers:
        lifetime = each.buffer.lifetime
        if each.buffer.name in names:
            raise StepFault(f"{program.name}: two buffers have the name {each.buffer.name}")
        names.add(each.buffer.name)
        if not 0 <= lifetime.start < lifetime.end <= num_steps:
            raise StepFault(f"{program.name}: {each.buffer.name} lives {lifetime} in {num_steps} steps")
        if each.is_persistent and lifetime.end - lifetime.start < num_steps:
            raise StepFault(f"{program.name}: {each.buffer.name} is kept, but lives {lifetime} in {num_steps} steps")
        if len(each.tensors) > 1:
            _verify_sharing(graph, each, spans, writers)


def _verify_sharing(
    graph: StepGraph,
    storage: ProgramBuffer,
    spans: Mapping[str, tuple[int, int]],
    writers: Mapping[str, tuple[int, StepNode]],
) -> None:
    """A tensor takes the bytes of those before it once they have been read; what was given, its next value alone may take."""
    whole: set[str] = set()  # the last one written, and its views
    until = 0
    for name in storage.tensors:
        time, node = writers.get(name, (0, None))
        is_view = node is not None and node.op_type in VIEWS and not node.domain
        if whole and not is_view:
            is_given = any(each not in writers for each in whole)
            if until > time or (is_given and graph.tensors[name].next_of not in whole):
                raise StepFault(f"{graph.name}: {name} overwrites {', '.join(sorted(whole))}, which is needed")
            whole.clear()
        until = max(until if is_view else 0, spans.get(name, (0, 0))[1])
        whole.add(name)


def _spans(graph: StepGraph, where: Mapping[str, ProgramBuffer]) -> Mapping[str, tuple[int, int]]:
    """The first and the last step in which each tensor that a node reads or writes must be there."""
    spans: dict[str, tuple[int, int]] = {}
    streamed: dict[str, tuple[str, ...]] = {}
    end = len(graph.nodes) - 1
    for time, node in enumerate(graph.nodes):
        reads = tuple(each for name in node.inputs for each in (name, *streamed.get(name, ())))
        for name in node.outputs:
            if name:
                stays = name in graph.outputs or graph.tensors[name].next_of
                spans[name] = (time, end if stays else time)
                if name not in where:
                    streamed[name] = reads
        for name in reads:
            if name in graph.tensors:
                first, last = spans.get(name, (0, 0))
                spans[name] = (first, max(time, last))
    return spans
