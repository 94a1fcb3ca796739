"""What a ``NodeProto`` reads, holds and says: its inputs and captures, its subgraphs, its tensors, its attributes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import AttributeProto, numpy_helper

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Attribute

__all__ = ["is_default_domain", "node_place", "read_attributes", "read_names", "stored_tensors", "subgraphs"]


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
        names.update(dict.fromkeys(_captured_names(graph)))
    return tuple(names)


def _captured_names(graph: onnx.GraphProto) -> Iterator[str]:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own.update(name for node in graph.node for name in node.output)
    for node in graph.node:
        yield from (name for name in read_names(node) if name not in own)
    yield from (value.name for value in graph.output if value.name and value.name not in own)


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
    """Return the node's attributes as Python values; graphs and types have no meaning to later stages and are left out."""
    attributes = {attribute.name: _read_attribute(attribute) for attribute in node.attribute}
    return {name: value for name, value in attributes.items() if value is not None}


def _read_attribute(attribute: onnx.AttributeProto) -> Attribute | None:
    match attribute.type:
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.STRING:
            return _read_text(attribute.s)
        case AttributeProto.INTS:
            return tuple(attribute.ints)
        case AttributeProto.FLOATS:
            return tuple(attribute.floats)
        case AttributeProto.STRINGS:
            return tuple(s.decode(errors="replace") for s in attribute.strings)
        case AttributeProto.TENSOR:
            return np.asarray(numpy_helper.to_array(attribute.t))
        case _:
            return None


def _read_text(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
