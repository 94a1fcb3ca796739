"""The standard operators that are left of a model when onnxruntime has inlined its functions."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

__all__ = ["InlinedNode", "read_nodes"]


@dataclass(frozen=True)
class InlinedNode:
    """A node: its operator (with the domain in front where it is not ONNX's), and whether its second input is a constant."""

    name: str
    op_type: str
    has_constant_weight: bool


def read_nodes(model: bytes) -> tuple[InlinedNode, ...]:
    """Return the nodes of an ONNX model in order of execution."""
    graph = onnx.load_model_from_string(model).graph
    constants = {each.name for each in graph.initializer}
    nodes = []
    for node in graph.node:
        op_type = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}:{node.op_type}"
        nodes.append(InlinedNode(node.name, op_type, len(node.input) > 1 and node.input[1] in constants))
    return tuple(nodes)
