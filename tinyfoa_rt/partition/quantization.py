"""Quantized models: what is trained computes in real numbers, so activations are not rounded to integers and back there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tinyfoa_rt.ir.graph import Graph, Node

__all__ = ["without_rounding"]


def without_rounding(graph: Graph, trained: Collection[str]) -> Graph:
    """Return the graph without the pairs of QuantizeLinear and DequantizeLinear among the nodes that ``trained`` names.

    What read the rounded value reads the real one. A model's output that is one stays, as an Identity of that name.
    """
    producers = {name: node for node in graph.nodes for name in node.outputs if name}
    real: dict[str, str] = {}
    for node in graph.nodes:
        quantizing = producers.get(node.input(0))
        if node.name in trained and quantizing is not None and quantizing.name in trained and _is_pair(quantizing, node):
            source = quantizing.inputs[0]
            real[node.outputs[0]] = real.get(source, source)
    if not real:
        return graph
    read, kept = set(graph.outputs), list[Node]()
    for node in reversed([_renamed(graph, node, real) for node in graph.nodes]):
        if any(name in read for name in node.outputs):
            kept.append(node)
            read.update(node.inputs)
    used = {name for node in kept for name in (*node.inputs, *node.outputs)} | {*graph.inputs, *graph.outputs}
    values = {name: value for name, value in graph.values.items() if name in used}
    constants = {name: constant for name, constant in graph.constants.items() if name in used}
    return replace(graph, nodes=tuple(reversed(kept)), values=values, constants=constants)


def _is_pair(quantizing: Node, node: Node) -> bool:
    """Whether a node takes back what the other has done: same scale, same zero point."""
    operators = (quantizing.op_type, node.op_type)
    is_standard = not quantizing.domain and not node.domain
    return operators == ("QuantizeLinear", "DequantizeLinear") and is_standard and quantizing.inputs[1:] == node.inputs[1:]


def _renamed(graph: Graph, node: Node, real: dict[str, str]) -> Node:
    if node.outputs[0] in real and node.outputs[0] in graph.outputs:
        return replace(node, op_type="Identity", domain="", inputs=(real[node.outputs[0]],), attributes={})
    return replace(node, inputs=tuple(real.get(name, name) for name in node.inputs))
