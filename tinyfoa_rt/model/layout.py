"""Models with channels last, as TensorFlow's are, are exported with a Transpose around each layer.

One that stands before the mean over all positions goes: the mean is taken where the channels are first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tinyfoa_rt.ir.graph import Constant, Graph, Node, Value
from tinyfoa_rt.ir.names import own

__all__ = ["pool_channels_first"]


def pool_channels_first(graph: Graph) -> Graph:
    """Return the graph with each ReduceMean over positions reading what a Transpose before it reads, to the same result."""
    producers = {name: node for node in graph.nodes for name in node.outputs if name}
    nodes, values, constants = list(graph.nodes), dict(graph.values), dict(graph.constants)
    for position, node in enumerate(graph.nodes):
        if node.op_type != "ReduceMean" or node.domain or node.int("keepdims", 1) or not graph.is_constant(node.input(1)):
            continue
        transpose = producers.get(node.inputs[0])
        if transpose is None or transpose.op_type != "Transpose":
            continue
        axes = _axes_before(graph, transpose, node)
        if axes is None:
            continue
        name = own(node.name, "positions")
        values[name] = Value(name, "int64", (len(axes),))
        constants[name] = Constant(name, "int64", (len(axes),), lambda axes=axes: np.array(axes, dtype=np.int64))  # type: ignore[misc]
        nodes[position] = replace(node, inputs=(transpose.inputs[0], name))
    return _without_unread(replace(graph, nodes=tuple(nodes), values=values, constants=constants))


def _axes_before(graph: Graph, transpose: Node, mean: Node) -> tuple[int, ...] | None:
    """The mean's axes in what the Transpose reads; ``None`` where the order of the others would change."""
    rank = len(graph.shape(transpose.inputs[0]))
    permutation = transpose.ints("perm", tuple(reversed(range(rank))))
    axes = {axis % rank for axis in graph.constants[mean.input(1)].as_ints()}
    kept = [permutation[axis] for axis in range(rank) if axis not in axes]
    return tuple(sorted(permutation[axis] for axis in axes)) if axes and kept == sorted(kept) else None


def _without_unread(graph: Graph) -> Graph:
    """Drop Transposes that nobody reads any more."""
    readers = Counter(name for node in graph.nodes for name in node.inputs if name)
    readers.update(graph.outputs)
    nodes = tuple(node for node in graph.nodes if node.op_type != "Transpose" or readers[node.outputs[0]])
    used = {name for node in nodes for name in (*node.inputs, *node.outputs) if name} | {*graph.inputs, *graph.outputs}
    values = {name: value for name, value in graph.values.items() if name in used}
    constants = {name: constant for name, constant in graph.constants.items() if name in used}
    return replace(graph, nodes=nodes, values=values, constants=constants)
