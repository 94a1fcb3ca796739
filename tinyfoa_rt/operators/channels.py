"""Which nodes keep channels apart, so that the gradient can be taken for those of the active slice alone."""

from __future__ import annotations

from tinyfoa_rt.ir.graph import Graph, Node

__all__ = ["by_channel", "elementwise", "flattening"]


def elementwise(graph: Graph, node: Node, axis: int) -> bool:
    """Whether nothing but constants is repeated to the result's shape."""
    after = graph.shape(node.outputs[0])
    return all(graph.shape(name) == after or graph.is_constant(name) for name in node.inputs if name)


def by_channel(graph: Graph, node: Node, axis: int) -> bool:
    """Whether channels lie where the operator takes them one by one."""
    return axis == 1 or len(graph.shape(node.inputs[0])) == 2


def flattening(graph: Graph, node: Node, axis: int) -> bool:
    """Whether the shape stays, or positions are flattened into channels."""
    before, after = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    return before == after or (len(after) == 2 and len(before) > 2 and axis == 1 and before[0] == after[0])
