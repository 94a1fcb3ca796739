"""Convolutions whose output nothing reads but a pool of maxima: generated C computes and pools one channel after the other."""

from __future__ import annotations

import math

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.operators.pooled_conv import pooled_outputs, pooling_attributes
from tinyfoa_rt.operators.pooling.window import MOST_PLACES
from tinyfoa_rt.steps.builder import StepBuilder

__all__ = ["pool_product"]


def pool_product(builder: StepBuilder, node: Node, *, keeps_places: bool) -> str | None:
    """Let the product that was added last give the maxima of ``node`` in place of its own output, if ``node`` is its only reader.

    Args:
        builder: of a step or of the forward pass.
        node: of the model.
        keeps_places: whether a gradient will ask where the maxima were.

    Returns:
        The tensor of the places, empty where they are not kept; ``None`` where nothing was changed.
    """
    graph, product, value = builder.graph, builder.nodes[-1] if builder.num_nodes else None, node.inputs[0]
    is_alone = node.op_type == "MaxPool" and len([name for name in node.outputs if name]) == 1
    if product is None or not is_alone or not builder.profile.streams_gradients:
        return None
    is_real = product.op_type == "RealConv" and builder.type_of(product.inputs[0]).dtype == "float32"
    if not is_real or product.outputs != (value,) or product.int("group", 1) != 1:
        return None
    size = graph.shape(value)[2:]
    is_read_here = value not in graph.outputs and sum(value in other.inputs for other in graph.nodes) == 1
    if not is_read_here or len(size) > 2 or math.prod(size) > MOST_PLACES:
        return None
    outputs = pooled_outputs(node.outputs[0], keeps_places=keeps_places)
    attributes = {**product.attributes, **pooling_attributes(node, size, graph.shape(node.outputs[0])[2:])}
    builder.drop_last()
    builder.call("RealConvMaxPool", product.inputs, outputs, attributes)
    return outputs[1]
