"""Names in a model must be text: protobuf hands over bytes where a string field is not UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.nodes import subgraphs

__all__ = ["check_text"]


def check_text(model: onnx.ModelProto, place: str) -> None:
    """Refuse a model with a name that is not UTF-8.

    Raises:
        ModelError: a name of a node, a value, an operator, a domain, an attribute, a dimension or an external file.
    """
    for text in _texts(model):
        if not isinstance(text, str):  # the stubs promise str, the C extension hands over bytes
            raise ModelError(place, f"has the name {text!r}, which is not UTF-8 text", "repair the model, or export it again")


def _texts(model: onnx.ModelProto) -> Iterator[str]:
    yield from (entry.domain for entry in model.opset_import)
    yield from _graph_texts(model.graph)
    for function in model.functions:
        yield from (function.name, function.domain, function.overload)
        yield from (*function.input, *function.output, *function.attribute)
        yield from (entry.domain for entry in function.opset_import)
        yield from _value_texts(function.value_info)
        yield from _node_texts(function.node)


def _graph_texts(graph: onnx.GraphProto) -> Iterator[str]:
    yield graph.name
    yield from _value_texts((*graph.input, *graph.output, *graph.value_info))
    yield from _tensor_texts(graph.initializer)
    yield from _node_texts(graph.node)


def _value_texts(values: Iterable[onnx.ValueInfoProto]) -> Iterator[str]:
    for value in values:
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)


def _tensor_texts(tensors: Iterable[onnx.TensorProto]) -> Iterator[str]:
    for tensor in tensors:
        yield tensor.name
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)


def _node_texts(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, node.overload)
        yield from (*node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
            yield from _tensor_texts((attribute.t, *attribute.tensors))
        for graph in subgraphs(node):
            yield from _graph_texts(graph)
