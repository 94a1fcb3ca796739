"""Which operator set a model is emitted in: 18, which the oldest onnxruntime runs, or the next one that says what a node means.

Function bodies are written for operator set 18 and mean the same in all later ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from onnx import defs
from onnx.defs import OpSchema

from tinyfoa_rt.emit.subgraphs import inner_nodes
from tinyfoa_rt.ir.graph import Constant, Sized, Subgraph
from tinyfoa_rt.ir.step import StepGraph, StepNode

__all__ = ["LOWEST_OPSET", "find_opset"]

LOWEST_OPSET = 18
# Versions that mean something else, though their schemas look alike.
_OTHER_MEANINGS = frozenset({("GroupNormalization", 21), ("Pad", 19), ("Resize", 19), ("AveragePool", 19)})
_TYPE_NAMES = {"float32": "float", "float64": "double"}


def find_opset(step: StepGraph) -> int:
    """Return the lowest operator set from 18 on in which every standard node means what it does in the model's own."""
    lowest = LOWEST_OPSET
    for node in step.nodes:
        while lowest < step.opset and not _means_the_same(step, node, lowest):
            lowest += 1
    for constant in step.constants.values():
        for op_type in _computing(constant):
            while lowest < step.opset and _version(op_type, lowest) != _version(op_type, step.opset):
                lowest += 1
    return lowest


def _computing(given: Constant | Sized | None) -> Iterator[str]:
    """The operators that compute what depends on the number of samples."""
    sized = given.sized if isinstance(given, Constant) else given
    if sized is not None and sized.node is not None:
        yield sized.node.op_type
        for each in sized.inputs:
            yield from _computing(each)


def _means_the_same(step: StepGraph, node: StepNode, opset: int) -> bool:
    if node.domain:
        return True
    graphs = [value for value in node.attributes.values() if isinstance(value, Subgraph)]
    if any(_version(op_type, opset) != _version(op_type, step.opset) for graph in graphs for op_type in inner_nodes(graph)):
        return False  # what is inside has no types here, so that only equal versions count
    versions = list(_versions(node.op_type, step.opset, opset))
    if not versions or any(not _only_widens(node, older, newer) for newer, older in zip(versions, versions[1:])):
        return False
    return len(versions) == 1 or _admits(step, node, versions[-1])


def _version(op_type: str, opset: int) -> int:
    return defs.get_schema(op_type, opset).since_version if defs.has(op_type, opset) else 0


def _versions(op_type: str, newest: int, oldest: int) -> Iterator[OpSchema]:
    """The schemas of an operator from operator set ``newest`` down to ``oldest``; nothing where the latter does not have it."""
    if not defs.has(op_type, oldest):
        return
    schema = defs.get_schema(op_type, newest)
    yield schema
    while schema.since_version > oldest:
        schema = defs.get_schema(op_type, schema.since_version - 1)
        yield schema


def _only_widens(node: StepNode, older: OpSchema, newer: OpSchema) -> bool:
    """Whether a newer version takes what the older one does, and more types, attributes or inputs that the node does not use."""
    if (node.op_type, newer.since_version) in _OTHER_MEANINGS or len(node.inputs) - len(node.captured) > older.max_input:
        return False
    defaults = {name: str(attribute.default_value) for name, attribute in newer.attributes.items()}
    is_kept = all(defaults.get(name) == str(each.default_value) for name, each in older.attributes.items())
    return is_kept and all(name in older.attributes for name in node.attributes)


def _admits(step: StepGraph, node: StepNode, schema: OpSchema) -> bool:
    """Whether a version takes the element types of what the node reads and writes."""
    inputs = node.inputs[: len(node.inputs) - len(node.captured)]
    for names, formals in ((inputs, schema.inputs), (node.outputs, schema.outputs)):
        for index, name in enumerate(names):
            formal = formals[min(index, len(formals) - 1)]
            if name and f"tensor({_type_name(step, name)})" not in formal.types:
                return False
    return True


def _type_name(step: StepGraph, name: str) -> str:
    """The element type as schemas say it; integers of a constant that is no tensor of the step are known by the constant."""
    dtype = step.tensors[name].type.dtype if name in step.tensors else step.constants[name].dtype
    return _TYPE_NAMES.get(dtype, dtype)
