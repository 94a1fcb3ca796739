"""Branches and bodies of loops as the model has them, but for the names of what they read from outside, which are the step's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx
from onnx import AttributeProto

from tinyfoa_rt.ir.graph import Subgraph

__all__ = ["inner_nodes", "read_subgraph"]


def read_subgraph(graph: Subgraph, names: Mapping[str, str]) -> onnx.GraphProto:
    """Return the graph, what it captures renamed by ``names``."""
    proto: onnx.GraphProto = onnx.GraphProto.FromString(graph.content)
    _rename(proto, {name: names[name] for name in graph.captured if names[name] != name})
    return proto


def inner_nodes(graph: Subgraph) -> Iterator[str]:
    """Yield the standard operators inside, those of inner graphs included."""
    pending = [onnx.GraphProto.FromString(graph.content)]
    while pending:
        for node in pending.pop().node:
            pending.extend(_graphs(node))
            if node.domain in ("", "ai.onnx"):
                yield node.op_type


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """A captured name has one meaning inside: ONNX lets no inner value take the name of an outer one."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for inner in _graphs(node):
            _rename(inner, names)
    for value in graph.output:
        value.name = names.get(value.name, value.name)


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    return (attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH)
