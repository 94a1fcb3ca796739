"""The verifier of step graphs: checks what their assembly has finished, and shares no code with it.

A fault is a defect of this package, not of a model: names that collide, values that are read before they are
there, calls that ONNX does not know.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.step import StepGraph, StepNode, StepTensor

__all__ = ["VIEWS", "StepFault", "verify_step"]

# Operators of ONNX whose output has the elements of their first input in the same order; Dropout as it infers.
VIEWS = frozenset({"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
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

    What is kept from step to step is replaced by its next value alone, and is not read once that is there.

    Raises:
        StepFault: names the first fault found.
    """
    _verify_names(graph)
    computed = {name for node in graph.nodes for name in node.outputs if name}
    _verify_given(graph, computed)
    _verify_kept(graph, computed)
    _verify_order(graph, computed)


def _verify_names(graph: StepGraph) -> None:
    for what, names in (("nodes", [node.name for node in graph.nodes]), ("inputs", graph.inputs), ("outputs", graph.outputs)):
        if len(set(names)) < len(names):
            raise StepFault(f"{graph.name}: two {what} have the name {next(each for each in names if names.count(each) > 1)}")
    for name, tensor in graph.tensors.items():
        if tensor.name != name or not tensor.role:
            raise StepFault(f"{graph.name}: {tensor.name} is called {name} and is a {tensor.role}")
        if tensor.type.shape and min(tensor.type.shape) < 1:
            raise StepFault(f"{graph.name}: {name} has the shape {tensor.type.shape}")
        if tensor.role == "grad" and tensor.type.dtype != "float32":
            raise StepFault(f"{graph.name}: the gradient {name} holds {tensor.type.dtype}")


def _verify_given(graph: StepGraph, computed: set[str]) -> None:
    """What is there when the step begins: inputs, which end with it, and constants."""
    if computed & {*graph.inputs, *graph.constants}:
        raise StepFault(f"{graph.name}: a node computes what the step is given")
    for name in graph.inputs:
        if name not in graph.tensors or graph.tensors[name].is_persistent:
            raise StepFault(f"{graph.name}: the input {name} has no type, or is kept from step to step")
    for name, constant in graph.constants.items():
        if constant.name != name or (name in graph.tensors and graph.tensors[name].type.shape != constant.shape):
            raise StepFault(f"{graph.name}: the constant {constant.name} is called {name}, or has the shape {constant.shape}")


def _verify_kept(graph: StepGraph, computed: set[str]) -> None:
    """What is kept from step to step."""
    for name, tensor in graph.tensors.items():
        if not tensor.next_of:
            if tensor.is_persistent and name in computed:
                raise StepFault(f"{graph.name}: a node overwrites {name}, which is kept from step to step")
            continue
        before = graph.tensors.get(tensor.next_of)
        if before is None or not before.is_persistent or _kept_as(before) != _kept_as(tensor):
            raise StepFault(f"{graph.name}: {name} cannot take the place of {tensor.next_of}")
        if name not in computed:
            raise StepFault(f"{graph.name}: nothing computes {name}")


def _kept_as(tensor: StepTensor) -> tuple[object, ...]:
    return tensor.type, tensor.depends_on_slice, tensor.place


def _verify_order(graph: StepGraph, computed: set[str]) -> None:
    """Run through the nodes in their order."""
    known = {
        name for name, tensor in graph.tensors.items() if name not in computed and (tensor.is_persistent or name in graph.inputs)
    }
    known |= {*graph.constants}
    replaced: set[str] = set()
    for node in graph.nodes:
        _verify_call(graph, node)
        _verify_reads(graph, node, known, replaced)
        for name in node.outputs:
            if name in known:
                raise StepFault(f"{graph.name}: {node.name} computes {name}, which is there already")
            if name and name not in graph.tensors:
                raise StepFault(f"{graph.name}: {node.name} computes {name}, whose type is not known")
            if name:
                known.add(name)
                replaced.add(graph.tensors[name].next_of)
        if not any(node.outputs):
            raise StepFault(f"{graph.name}: {node.name} computes nothing")
        if node.op_type in VIEWS and not node.domain:
            _verify_view(graph, node)
    missing = [name for name in graph.outputs if name not in known]
    if missing:
        raise StepFault(f"{graph.name}: nothing computes its output {missing[0]}")


def _verify_call(graph: StepGraph, node: StepNode) -> None:
    least, most, attributes = _CALLS.get(node.op_type, (0, len(node.inputs), frozenset(node.attributes)))
    if not node.domain and (not least <= len(node.inputs) <= most or not attributes >= {*node.attributes}):
        raise StepFault(f"{graph.name}: {node.name} is no {node.op_type} of ONNX")


def _verify_reads(graph: StepGraph, node: StepNode, known: set[str], replaced: set[str]) -> None:
    for name in node.inputs:
        if name and name not in known:
            raise StepFault(f"{graph.name}: {node.name} reads {name} before it is there")
        if name and name in replaced:
            raise StepFault(f"{graph.name}: {node.name} reads {name} behind its next value")


def _verify_view(graph: StepGraph, node: StepNode) -> None:
    source, view = graph.tensors[node.inputs[0]].type, graph.tensors[node.outputs[0]].type
    if (source.size, source.dtype) != (view.size, view.dtype):
        raise StepFault(f"{graph.name}: {node.name} makes {view.dtype} {view.shape} of {source.dtype} {source.shape}")
