"""The verifier of step graphs and programs: checks what their assembly has finished, and shares no code with it.

A fault is a defect of this package, not of a model: names that collide, values that are read before they are there, storage that
is given away while it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.program import Program
from tinyfoa_rt.ir.step import StepGraph

__all__ = ["StepFault", "verify_program", "verify_step"]

_MARK = "#"
# What a call of ONNX's own operators has, of those that steps add by themselves: inputs at least and at most, and attributes.
_CALLS: Mapping[str, tuple[int, int, frozenset[str]]] = {
    "Add": (2, 2, frozenset()),
    "Neg": (1, 1, frozenset()),
    "ReduceSum": (1, 2, frozenset({"keepdims", "noop_with_empty_axes"})),
    "Reshape": (2, 2, frozenset({"allowzero"})),
    "Slice": (3, 5, frozenset()),
    "Transpose": (1, 1, frozenset({"perm"})),
}


class StepFault(Exception):
    """A step that would not run as meant: names the step, the tensor and what is wrong."""


def verify_step(graph: StepGraph) -> None:
    """Check that every tensor is there before it is read, is computed once, and is what its name says; and calls of ONNX's own.

    Raises:
        StepFault: names the first fault found.
    """
    _verify_names(graph)
    computed = {name for node in graph.nodes for name in node.outputs if name}
    known = {
        name for name, tensor in graph.tensors.items() if name not in computed and (tensor.is_persistent or name in graph.inputs)
    }
    known |= {*graph.constants}
    if computed & {*graph.inputs, *graph.constants}:
        raise StepFault(f"{graph.name}: a node computes what the step is given")
    for node in graph.nodes:
        least, most, attributes = _CALLS.get(node.op_type, (0, len(node.inputs), frozenset(node.attributes)))
        if not node.domain and (not least <= len(node.inputs) <= most or not attributes >= {*node.attributes}):
            raise StepFault(f"{graph.name}: {node.name} is no {node.op_type} of ONNX")
        for name in node.inputs:
            if name and name not in known:
                raise StepFault(f"{graph.name}: {node.name} reads {name} before it is there")
        for name in node.outputs:
            if name in known:
                raise StepFault(f"{graph.name}: {node.name} computes {name}, which is there already")
            if name and name not in graph.tensors:
                raise StepFault(f"{graph.name}: {node.name} computes {name}, whose type is not known")
        known.update(name for name in node.outputs if name)
    missing = [name for name in graph.outputs if name not in known]
    if missing:
        raise StepFault(f"{graph.name}: nothing computes its output {missing[0]}")


def _verify_names(graph: StepGraph) -> None:
    names = [node.name for node in graph.nodes]
    if len(set(names)) < len(names):
        raise StepFault(f"{graph.name}: two nodes have the name {next(name for name in names if names.count(name) > 1)}")
    for name, tensor in graph.tensors.items():
        if tensor.name != name or (tensor.role == "value") is (_MARK in name):
            raise StepFault(f"{graph.name}: {tensor.name} is called {name} and is a {tensor.role}")
        before = graph.tensors.get(tensor.next_of)
        if tensor.next_of and (before is None or (before.type, before.varies) != (tensor.type, tensor.varies)):
            raise StepFault(f"{graph.name}: {name} cannot take the place of {tensor.next_of}")


def verify_program(program: Program, graph: StepGraph, *, packs_bits: bool) -> None:
    """Check that every tensor of ``graph`` has storage that is large enough from where it is written to where it is last read.

    Gradients that are used as they are computed have no storage.

    Raises:
        StepFault: names the first fault found.
    """
    where = {name: each for each in program.buffers for name in each.tensors}
    if len(where) < sum(len(each.tensors) for each in program.buffers):
        raise StepFault(f"{program.name}: a tensor lies in two buffers")
    for name, (first, last) in _spans(graph).items():
        tensor, kept = graph.tensors[name], where.get(name)
        if kept is None:
            if tensor.role != "grad" and not (tensor.next_of and graph.tensors[tensor.next_of].place == "nonvolatile"):
                raise StepFault(f"{program.name}: {name} has no storage")
            continue
        lifetime = kept.buffer.lifetime
        if kept.buffer.nbytes < tensor.type.nbytes(packs_bits=packs_bits):
            raise StepFault(f"{program.name}: {name} is larger than its storage")
        if lifetime.start > first or lifetime.end <= last or (tensor.is_persistent and not kept.is_persistent):
            raise StepFault(f"{program.name}: {name} is needed from {first} to {last}, its storage lives {lifetime}")


def _spans(graph: StepGraph) -> Mapping[str, tuple[int, int]]:
    """The first and the last step in which each tensor that a node reads or writes must be there."""
    spans: dict[str, tuple[int, int]] = {}
    end = len(graph.nodes) - 1
    for time, node in enumerate(graph.nodes):
        for name in node.outputs:
            if name:
                spans[name] = (time, end if name in graph.outputs else time)
        for name in node.inputs:
            if name in graph.tensors:
                spans[name] = (spans.get(name, (0, 0))[0], max(time, spans.get(name, (0, 0))[1]))
    return spans
