"""A new classifier for another number of classes: the last layer is replaced, and all behind it follows its size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Constant, Graph, Node, Value
from tinyfoa_rt.partition.layers import find_layers

__all__ = ["with_classes"]

# What may stand behind a classifier: it keeps the shape, and asks for nothing that depends on the number of classes.
_FOLLOWERS = frozenset(("Identity", "LogSoftmax", "Sigmoid", "Softmax", "Flatten"))


def with_classes(graph: Graph, num_classes: int) -> Graph:
    """Return the graph with a new dense classifier, of other weights even where the number of classes stays.

    Weights are uniform within 1 / sqrt(inputs) of zero, as PyTorch begins, from a fixed seed; biases are zero.

    Raises:
        UnsupportedError: the last layer is not dense, or something behind it depends on the number of classes.
    """
    layers = find_layers(graph)
    if not layers:
        return graph  # a model without a layer is refused elsewhere, with more to say
    layer = layers[-1]
    _check(graph, layer)
    constants, values = dict(graph.constants), dict(graph.values)
    for name, drawn in _parameters(graph, layer, num_classes).items():
        constants[name] = Constant(name, "float32", drawn.shape, lambda drawn=drawn: drawn)  # type: ignore[misc]
        values[name] = replace(graph.values[name], shape=drawn.shape)
    resized = [name for node in layer.nodes for name in node.outputs]
    for node in graph.nodes:
        if any(name in resized for name in node.inputs) and node not in layer.nodes:
            _follow(node)
            resized += node.outputs
    for name in resized:
        values[name] = _resized(graph.values[name], num_classes)
    return replace(graph, constants=constants, values=values)


def _check(graph: Graph, layer: Layer) -> None:
    if layer.kind != "dense" or layer.positions != 1:
        problem = "is the last layer, but not a dense one with one output a class"
        raise UnsupportedError(f"layer '{layer.name}'", problem, "leave --classes out, or give the model a dense classifier")
    own = {node.name for node in layer.nodes}
    parameters = {layer.weight, layer.bias} - {None}
    for node in graph.nodes:
        if node.name not in own and parameters & set(node.inputs):
            raise UnsupportedError(f"node '{node.name}'", f"reads the weights of '{layer.name}' too", "leave --classes out")


def _follow(node: Node) -> None:
    if node.op_type not in _FOLLOWERS or node.domain:
        problem = f"({node.op_type}) stands behind the classifier, and may depend on the number of classes"
        raise UnsupportedError(f"node '{node.name}'", problem, "leave --classes out, or cut the model behind its classifier")


def _parameters(graph: Graph, layer: Layer, num_classes: int) -> Mapping[str, NDArray[np.float32]]:
    """The new weight, laid out as the old one, and the new bias."""
    bound = 1 / math.sqrt(layer.in_features)
    weight = np.random.default_rng(0).uniform(-bound, bound, (layer.in_features, num_classes)).astype(np.float32)
    is_transposed = layer.nodes[0].op_type == "Gemm" and layer.nodes[0].int("transB", 0)
    found = {layer.weight: np.ascontiguousarray(weight.T) if is_transposed else weight}
    if layer.bias is not None:
        found[layer.bias] = np.zeros((*graph.shape(layer.bias)[:-1], num_classes), dtype=np.float32)
    return found


def _resized(value: Value, num_classes: int) -> Value:
    return replace(value, shape=(*value.shape[:-1], num_classes))
