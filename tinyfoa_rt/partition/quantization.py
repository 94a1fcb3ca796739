"""Quantized models: what is trained computes in real numbers, so activations are not rounded to integers and back there.

A quantizer leaves out the Relu (or the Clip from 0) before a rounding whose integers begin at zero: the rounding cuts off what is
below. So such a pair of QuantizeLinear and DequantizeLinear becomes a Clip to its range, and any other pair goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.graph import Constant, Graph, Node, Value
from tinyfoa_rt.ir.names import own

__all__ = ["without_rounding"]


def without_rounding(graph: Graph, trained: Collection[str]) -> Graph:
    """Return the graph without the pairs of QuantizeLinear and DequantizeLinear among the nodes that ``trained`` names.

    What read the rounded value reads the real one. A model's output that is one stays, as an Identity of that name.
    """
    producers = {name: node for node in graph.nodes for name in node.outputs if name}
    real: dict[str, str] = {}
    clips: dict[str, Node] = {}
    constants: dict[str, Constant] = {}
    for node in graph.nodes:
        quantizing = producers.get(node.input(0))
        if node.name not in trained or quantizing is None or quantizing.name not in trained or not _is_pair(quantizing, node):
            continue
        source = real.get(quantizing.inputs[0], quantizing.inputs[0])
        highest = _highest(graph, quantizing)
        if highest is None:
            real[node.outputs[0]] = source
            continue
        bounds = {own(node.name, "lowest"): 0.0, own(node.name, "highest"): highest}
        constants |= {name: _scalar(name, value) for name, value in bounds.items()}
        clips[node.name] = replace(node, op_type="Clip", inputs=(source, *bounds), attributes={})
    return _replaced(graph, real, clips, constants) if real or clips else graph


def _replaced(graph: Graph, real: Mapping[str, str], clips: Mapping[str, Node], constants: Mapping[str, Constant]) -> Graph:
    """The graph with other nodes and names, and without what nobody reads any more."""
    read, kept = set(graph.outputs), list[Node]()
    for node in reversed([clips.get(node.name) or _renamed(graph, node, real) for node in graph.nodes]):
        if any(name in read for name in node.outputs):
            kept.append(node)
            read.update(node.inputs)
    used = {name for node in kept for name in (*node.inputs, *node.outputs)} | {*graph.inputs, *graph.outputs}
    added = {name: Value(name, "float32", ()) for name in constants}
    values = {name: value for name, value in {**graph.values, **added}.items() if name in used}
    known = {name: constant for name, constant in {**graph.constants, **constants}.items() if name in used}
    return replace(graph, nodes=tuple(reversed(kept)), values=values, constants=known)


def _is_pair(quantizing: Node, node: Node) -> bool:
    """Whether a node takes back what the other has done: same scale, same zero point."""
    operators = (quantizing.op_type, node.op_type)
    is_standard = not quantizing.domain and not node.domain
    return operators == ("QuantizeLinear", "DequantizeLinear") and is_standard and quantizing.inputs[1:] == node.inputs[1:]


def _highest(graph: Graph, quantizing: Node) -> float | None:
    """The largest real number of a range that begins at zero; ``None`` where it begins below, or is not constant."""
    limits = np.iinfo(graph.values[quantizing.outputs[0]].dtype)
    parameters = [name for name in quantizing.inputs[1:3] if name]
    if not all(graph.is_constant(name) and graph.constants[name].size == 1 for name in parameters):
        return None
    scale, zero_point = ([float(graph.constants[name].read().reshape(-1)[0]) for name in parameters] + [0.0])[:2]
    return (limits.max - zero_point) * scale if zero_point == limits.min else None


def _scalar(name: str, value: float) -> Constant:
    array: NDArray[Any] = np.array(value, dtype=np.float32)
    return Constant(name, "float32", (), lambda: array)


def _renamed(graph: Graph, node: Node, real: Mapping[str, str]) -> Node:
    if node.outputs[0] in real and node.outputs[0] in graph.outputs:
        return replace(node, op_type="Identity", domain="", inputs=(real[node.outputs[0]],), attributes={})
    return replace(node, inputs=tuple(real.get(name, name) for name in node.inputs))
