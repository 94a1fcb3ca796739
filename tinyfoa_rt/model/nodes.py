"""What a ``NodeProto`` reads, holds and says: its inputs and captures, its subgraphs, its tensors, its attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import onnx
from onnx import AttributeProto, numpy_helper

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Attribute, Subgraph

__all__ = [
    "captured_names",
    "forget_inner_shapes",
    "is_default_domain",
    "node_place",
    "read_attributes",
    "read_names",
    "stored_tensors",
    "subgraphs",
]


def node_place(node: onnx.NodeProto) -> str:
    """Return how messages call a node: its name and operator, or its first output where it has no name."""
    name = node.name or next(iter(node.output), "") or "without a name"
    return f"node '{name}' ({node.op_type})"


def is_default_domain(node: onnx.NodeProto) -> bool:
    return node.domain in ("", "ai.onnx")


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that the node's attributes hold: branches and loop bodies."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def read_names(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return every value that the node reads, once: its inputs, and what its subgraphs take from outside."""
    names = dict.fromkeys(name for name in node.input if name)
    for graph in subgraphs(node):
        names.update(dict.fromkeys(captured_names(graph)))
    return tuple(names)


def captured_names(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield what a subgraph reads from outside, perhaps more than once."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own.update(name for node in graph.node for name in node.output)
    for node in graph.node:
        yield from (name for name in read_names(node) if name not in own)
    yield from (value.name for value in graph.output if value.name and value.name not in own)


def forget_inner_shapes(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return the node with no shapes in its subgraphs: what is stated there may hold for one batch only."""
    if not any(subgraphs(node)):
        return node
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    for graph in subgraphs(changed):
        del graph.value_info[:]
        for value in (*graph.input, *graph.output):
            value.type.tensor_type.ClearField("shape")
        inner = [forget_inner_shapes(each) for each in graph.node]
        del graph.node[:]
        graph.node.extend(inner)
    return changed


def stored_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor in the node's attributes, those of its subgraphs included.

    Raises:
        UnsupportedError: a sparse tensor.
    """
    for attribute in node.attribute:
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise UnsupportedError(node_place(node), "holds a sparse tensor", "store it as a dense tensor")
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
    for graph in subgraphs(node):
        if graph.sparse_initializer:
            raise UnsupportedError(node_place(node), "holds a sparse tensor", "store it as a dense tensor")
        yield from graph.initializer
        for inner in graph.node:
            yield from stored_tensors(inner)


def read_attributes(node: onnx.NodeProto) -> dict[str, Attribute]:
    """Return the node's attributes as Python values; types have no meaning to later stages and are left out."""
    attributes = {attribute.name: _read_attribute(attribute) for attribute in node.attribute}
    return {name: value for name, value in attributes.items() if value is not None}


def _read_attribute(attribute: onnx.AttributeProto) -> Attribute | None:
    found = _READERS.get(attribute.type)
    return None if found is None else found(attribute)


def _read_subgraph(graph: onnx.GraphProto) -> Subgraph:
    """The graph without its sizes, which hold at the batch of the file, or at batch 1 once its opset was raised."""
    bare = onnx.GraphProto()
    bare.CopyFrom(graph)
    _drop_sizes(bare)
    return Subgraph(bare.SerializeToString(deterministic=True), tuple(dict.fromkeys(captured_names(graph))))


def _drop_sizes(graph: onnx.GraphProto) -> None:
    del graph.value_info[:]
    for value in (value for value in (*graph.input, *graph.output) if value.type.HasField("tensor_type")):
        for dim in value.type.tensor_type.shape.dim:  # onnxruntime asks for the rank of what a loop counts with
            dim.Clear()
    for node in graph.node:
        for inner in subgraphs(node):
            _drop_sizes(inner)


def _read_text(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


_READERS: Mapping[int, Callable[[onnx.AttributeProto], Attribute]] = {
    AttributeProto.INT: lambda attribute: attribute.i,
    AttributeProto.FLOAT: lambda attribute: attribute.f,
    AttributeProto.STRING: lambda attribute: _read_text(attribute.s),
    AttributeProto.INTS: lambda attribute: tuple(attribute.ints),
    AttributeProto.FLOATS: lambda attribute: tuple(attribute.floats),
    AttributeProto.STRINGS: lambda attribute: tuple(s.decode(errors="replace") for s in attribute.strings),
    AttributeProto.TENSOR: lambda attribute: np.asarray(numpy_helper.to_array(attribute.t)),
    AttributeProto.GRAPH: lambda attribute: _read_subgraph(attribute.g),
}
