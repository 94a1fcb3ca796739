"""Which nodes of a block take part in training, and how they are simplified."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.operators import StandardOperator, is_view, standard_operator

__all__ = ["absorbed_relu", "has_sign", "nodes_to_output", "reached_by_layers", "running_statistics"]


def nodes_to_output(block: Block) -> tuple[Node, ...]:
    """The nodes that the block's output is computed from, in execution order; what only reads the output is left out."""
    needed = {block.output}
    kept: list[Node] = []
    for node in reversed(block.nodes):
        if any(name in needed for name in node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def reached_by_layers(block: Block) -> frozenset[str]:
    """The values of the block through which a gradient passes on its way to a layer, the layers' outputs included."""
    reached = {layer.output for layer in block.layers}
    for node in block.nodes:
        if any(name in reached for name in node.inputs):
            reached.update(name for name in node.outputs if name)
    return frozenset(reached)


def running_statistics(block: Block) -> tuple[Node, ...]:
    """The batch normalizations behind a trained layer: they keep running statistics, as what they see changes with the layer.

    Those of a frozen part of the block stay as they are.
    """
    reached, trained = reached_by_layers(block), {layer.name for layer in block.layers}
    frozen = {node.name for part in block.parts if part.layers[0].name not in trained for node in part.nodes}
    return tuple(
        node
        for node in nodes_to_output(block)
        if node.op_type == "BatchNormalization" and node.inputs[0] in reached and node.name not in frozen
    )


def absorbed_relu(graph: Graph, block: Block) -> Node | None:
    """The Relu (or Clip from 0) that the binary activation at the block's output makes superfluous, if there is one.

    Between it and the output there may be only views, and nothing else may read what lies between.
    """
    producer = {name: node for node in block.nodes for name in node.outputs}
    name = block.output
    while True:
        node = producer.get(name)
        is_exported = name != block.output and name in block.exports
        if node is None or is_exported or sum(name in other.inputs for other in block.nodes) > (name != block.output):
            return None
        if node.op_type == "Relu" or (node.op_type == "Clip" and _clips_at_zero(graph, node)):
            return node
        if not is_view(node.op_type, node.domain):
            return None
        name = node.inputs[0]


def has_sign(graph: Graph, block: Block) -> bool:
    """Whether the block's output says something by its sign: the mean of all positions of what is never negative does not."""
    producer = {name: node for node in block.nodes for name in node.outputs}
    node = _behind_moves(producer, block.output)
    if node is None or not _row(node).is_mean or math.prod(graph.shape(node.outputs[0])[2:]) > 1:
        return True
    before = _behind_moves(producer, node.inputs[0])
    return before is None or not (_row(before).is_never_negative or (before.op_type == "Clip" and _clips_at_zero(graph, before)))


def _behind_moves(producer: Mapping[str, Node], value: str) -> Node | None:
    """The node that computes a value, before it is moved or shaped anew."""
    node = producer.get(value)
    while node is not None and _row(node).moves:
        node = producer.get(node.inputs[0])
    return node


def _row(node: Node) -> StandardOperator:
    """What is known of the node's operator; nothing of one that nobody has registered."""
    return standard_operator(node.op_type, node.domain) or StandardOperator(name=node.op_type)


def _clips_at_zero(graph: Graph, node: Node) -> bool:
    lowest = node.input(1)
    return graph.is_constant(lowest) and float(graph.constants[lowest].read()) == 0.0
