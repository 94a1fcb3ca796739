"""A loaded model as ONNX again: opset raised, functions inlined, constants computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tinyfoa_rt.ir.graph import Graph, Node, Value

__all__ = ["emit_graph"]

_BATCH = "batch"


def emit_graph(graph: Graph) -> onnx.ModelProto:
    """Return a model that loads as the same graph, in one piece; its weights are inside."""
    constants = [numpy_helper.from_array(np.asarray(each.read()), each.name) for each in graph.constants.values()]
    proto = helper.make_graph(
        [_node(node) for node in graph.nodes],
        graph.name,
        [_value_info(graph.values[name]) for name in graph.inputs],
        [_value_info(graph.values[name]) for name in graph.outputs],
        constants,
    )
    domains = dict.fromkeys(node.domain for node in graph.nodes if node.domain not in ("", "ai.onnx"))
    opsets = [helper.make_opsetid("", graph.opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(proto, opset_imports=opsets)
    model.ir_version = 9
    model.producer_name = "tinyfoa-rt"
    return model


def _node(node: Node) -> onnx.NodeProto:
    attributes: dict[str, Any] = {name: _attribute(value) for name, value in node.attributes.items()}
    return helper.make_node(node.op_type, node.inputs, node.outputs, name=node.name, domain=node.domain, **attributes)


def _attribute(value: object) -> object:
    if isinstance(value, np.ndarray):
        return numpy_helper.from_array(value)
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else value


def _value_info(value: Value) -> onnx.ValueInfoProto:
    shape: list[int | str] = list(value.shape)
    if value.is_batched and shape:
        shape[0] = _BATCH
    return helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), shape)
