"""Biases alone: ``--train NAME[bias]`` trains the biases of a layer and leaves its weights as they are (TinyTL, BitFit).

The product becomes a node that stays as the model has it, without its bias. Behind it stands a layer of one input that is always
1: its weights are the biases. So plans, storage and trainers need to know nothing new, the product is constant data, and the
error passes it by the rule of any product that is frozen, which reads no activation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block, Layer, Partition
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.partition.own_operators import DOMAIN

__all__ = ["with_bias_layers"]


def with_bias_layers(graph: Graph, parts: Partition, names: Collection[str]) -> tuple[Graph, Partition]:
    """Return graph and partition with the biases of the layers that ``names`` names as layers behind their products.

    Raises:
        UsageError: a layer has no biases.
    """
    values = dict(graph.values)
    layers: dict[str, Layer] = {}
    instead: dict[str, tuple[Node, ...]] = {}  # what stands in the place of a node, by its name
    for layer in (layer for block in parts.blocks for layer in block.layers if layer.name in names):
        if layer.bias is None:
            raise UsageError(f"--train {layer.name}[bias]", "the layer has no biases", "train all of it, or leave it out")
        product, *adding = layer.nodes
        if not adding:
            product = replace(product, inputs=product.inputs[:2], outputs=(_free_name(f"{layer.output}.product", values),))
            values[product.outputs[0]] = replace(values[layer.output], name=product.outputs[0])
        add = Node(_name_of_addition(graph, layer), "AddBias", DOMAIN, (product.outputs[0], layer.bias), (layer.output,))
        instead |= {node.name: () for node in adding} | {product.name: (product, add)}
        layers[layer.name] = _bias_layer(graph, layer, add)

    def replaced(nodes: Sequence[Node]) -> tuple[Node, ...]:
        return tuple(each for node in nodes for each in instead.get(node.name, (node,)))

    def with_layers(block: Block) -> Block:
        return replace(block, nodes=replaced(block.nodes), layers=tuple(layers.get(each.name, each) for each in block.layers))

    blocks = tuple(map(with_layers, parts.blocks))
    return replace(graph, nodes=replaced(graph.nodes), values=values), replace(parts, blocks=blocks)


def _bias_layer(graph: Graph, layer: Layer, add: Node) -> Layer:
    assert layer.bias is not None
    return Layer(
        name=layer.name,
        kind="bias",
        nodes=(add,),
        weight=layer.bias,
        bias=None,
        input=add.inputs[0],
        output=layer.output,
        in_features=1,
        out_features=layer.bias_size,
        positions=math.prod(graph.shape(layer.output)[2:]) if layer.kind == "conv" else 1,
        weight_factor=layer.bias_factor,
        fixed_row=layer.row_size,
    )


def _name_of_addition(graph: Graph, layer: Layer) -> str:
    return layer.nodes[1].name if layer.nodes[1:] else _free_name(f"{layer.name}.bias", {node.name for node in graph.nodes})


def _free_name(wish: str, taken: Collection[str]) -> str:
    while wish in taken:
        wish += "_"
    return wish
