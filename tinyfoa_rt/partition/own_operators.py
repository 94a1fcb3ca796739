"""Models that were trained here: where they are trained again, our operators become the standard ones that they came from.

``inference.onnx`` holds signs and the mean magnitude of weights, no latent weights. These begin anew as alpha * sign(W), from
which the same signs and the same alpha follow; so the model computes what it did until it is trained. A binary activation becomes
the Relu that it stood for, and biases that were trained alone are their product's again. What stays frozen runs as it is, to the
bit, and hands on bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.graph import Constant, Graph, Node, Value

__all__ = ["DOMAIN", "is_own", "is_own_product", "own_name", "with_standard_operators"]

DOMAIN = "tinyfoa"
_PRODUCTS = frozenset({"RealDense", "SignDense", "BinaryDense", "RealConv", "SignConv", "BinaryConv"})
# What the others become, and how many of their inputs it reads.
_OURS = {
    **dict.fromkeys(_PRODUCTS, ("", 0)),
    **dict.fromkeys(("BinaryActivation", "LevelActivation"), ("Relu", 1)),
    "BinaryToReal": ("Mul", 2),
    "AddBias": ("Add", 1),
}
_BITS = "uint8"
_FLOAT = 1  # ONNX's element type
# Inputs of a product (operators/products.py).
_X, _WEIGHT, _BIAS, _ABS_SUM, _X_SCALE = 0, 1, 2, 6, 8
_WINDOW = ("kernel_shape", "strides", "pads", "dilations", "group")

Array = NDArray[Any]


def is_own(node: Node) -> bool:
    """Whether a node of a model that was trained here has a standard operator that it came from."""
    return node.domain == DOMAIN and node.op_type in _OURS


def is_own_product(node: Node) -> bool:
    """Whether a node is a dense or convolutional product of a model that was trained here."""
    return node.domain == DOMAIN and node.op_type in _PRODUCTS


def own_name(graph: Graph, node: Node) -> str:
    """The name of the layer: that of what the node computes, unless another node has it."""
    name = node.outputs[0]
    return node.name if any(other.name == name for other in graph.nodes) else name


def with_standard_operators(graph: Graph, trained: Collection[str]) -> Graph:
    """Return the graph with standard operators in the place of ours among the nodes that ``trained`` names.

    Bits that they compute are real numbers then, and so is what reads them; bits that they read are cast.
    """
    return _Rewriting(graph, trained).graph() if any(map(is_own, graph.nodes)) else graph


class _Rewriting:
    """The nodes, values and constants of the new graph while they are made."""

    def __init__(self, graph: Graph, trained: Collection[str]) -> None:
        self._graph = graph
        self._trained = trained
        self._values = dict(graph.values)
        self._constants = dict(graph.constants)
        self._nodes: list[Node] = []
        self._real: dict[str, str] = {}  # real numbers by the name of the bits that they stand for
        self._same: dict[str, str] = {}  # by the name of a value that has gone, the value that it was equal to

    def graph(self) -> Graph:
        for node in self._graph.nodes:
            if node.name in self._trained or any(self._real.get(name) == name for name in node.inputs):
                self._rewrite(replace(node, inputs=tuple(self._real_input(name) for name in node.inputs)))
            else:
                self._nodes.append(replace(node, inputs=tuple(self._same.get(name, name) for name in node.inputs)))
        used = {name for node in self._nodes for name in (*node.inputs, *node.outputs)}
        used |= {*self._graph.inputs, *self._graph.outputs}
        values = {name: value for name, value in self._values.items() if name in used}
        constants = {name: each for name, each in self._constants.items() if name in used}
        return replace(self._graph, nodes=tuple(self._nodes), values=values, constants=constants)

    def _rewrite(self, node: Node) -> None:
        for name in node.outputs:
            if name and self._values[name].dtype == _BITS:
                self._values[name] = replace(self._values[name], dtype="float32")
                self._real[name] = name
        if is_own_product(node):
            self._product(node)
        elif is_own(node) and node.op_type == "AddBias":
            self._add_bias(node)
        elif is_own(node) and node.op_type == "BinaryToReal" and self._is_one(node.inputs[1]):
            self._same[node.outputs[0]] = node.inputs[0]
        elif is_own(node):
            standard, count = _OURS[node.op_type]
            self._nodes.append(replace(node, op_type=standard, domain="", inputs=node.inputs[:count], attributes={}))
        else:
            self._nodes.append(node)

    def _real_input(self, name: str) -> str:
        """The real numbers to read for a value."""
        name = self._same.get(name, name)
        if not name or self._values[name].dtype != _BITS or self._graph.is_constant(name):
            return name
        if name not in self._real:
            cast = self._real[name] = self._add(f"{name}.real", replace(self._values[name], dtype="float32"))
            self._nodes.append(Node(cast, "Cast", "", (name,), (cast,), {"to": _FLOAT}))
        return self._real[name]

    def _is_one(self, name: str) -> bool:
        return self._graph.is_constant(name) and bool((self._graph.constants[name].read() == 1).all())

    def _add(self, wish: str, value: Value) -> str:
        """Add a value under a name that no other has."""
        while wish in self._values:
            wish += "_"
        self._values[wish] = replace(value, name=wish)
        return wish

    def _constant(self, wish: str, shape: tuple[int, ...], read: Callable[[], Array]) -> str:
        name = self._add(wish, Value(wish, "float32", shape))
        self._constants[name] = Constant(name, "float32", shape, read)
        return name

    def _add_bias(self, node: Node) -> None:
        """The bias of the product before, where that takes one, else an Add."""
        product, weights = self._nodes[-1], self._graph.constants[node.inputs[1]]
        takes_bias = product.op_type in ("Conv", "Gemm") and product.outputs == node.inputs[:1] and not product.input(2)
        shape = (weights.size,) if takes_bias else node.ints("bias_shape", ())
        bias = self._constant(f"{node.outputs[0]}.bias", shape, lambda: weights.read().reshape(shape))
        if takes_bias:
            self._nodes[-1] = replace(product, inputs=(*product.inputs[:2], bias), outputs=node.outputs)
        else:
            self._nodes.append(replace(node, op_type="Add", domain="", inputs=(node.inputs[0], bias), attributes={}))

    def _product(self, node: Node) -> None:
        """Gemm or Conv with real weights, and a factor behind it where alpha is beyond what latent weights may be."""
        graph, name = self._graph, own_name(self._graph, node)
        alpha = _alpha(graph, node)
        factor = np.maximum(np.abs(alpha), 1)
        shape = _shape(graph, node)
        bias = graph.constants[node.inputs[_BIAS]]

        def weight() -> Array:
            return _laid_out(graph.constants[node.inputs[_WEIGHT]].read() * (alpha / factor), shape)

        weight_name = self._constant(f"{name}.weight", shape, weight)
        bias_name = self._constant(f"{name}.bias", bias.shape, lambda: np.asarray(bias.read() / factor, dtype=np.float32))
        is_scaled = bool((factor > 1).any())
        output = self._add(f"{name}.scaled", self._values[node.outputs[0]]) if is_scaled else node.outputs[0]
        attributes = {key: value for key, value in node.attributes.items() if key in _WINDOW}
        op_type = "Gemm" if node.op_type.endswith("Dense") else "Conv"
        self._nodes.append(Node(name, op_type, "", (node.inputs[_X], weight_name, bias_name), (output,), attributes))
        if is_scaled:
            rows = factor.reshape(-1, *[1] * (len(shape) - 2))
            factor_name = self._constant(f"{name}.factor", rows.shape, lambda: rows)
            self._nodes.append(Node(factor_name, "Mul", "", (output, factor_name), node.outputs[:1]))


def _alpha(graph: Graph, node: Node) -> NDArray[np.float32]:
    """What each output's signs are multiplied by: alpha, times the scale of the bits that are read; 1 where weights are real."""
    inputs, outputs = graph.shape(node.inputs[_WEIGHT])
    if node.op_type.startswith("Real"):
        return np.ones(outputs, dtype=np.float32)
    alpha = np.asarray(graph.constants[node.inputs[_ABS_SUM]].read(), dtype=np.float32) / np.float32(inputs)
    if node.string("alpha", "row") == "tensor":
        alpha = np.full(outputs, alpha.mean(dtype=np.float64), dtype=np.float32)
    is_scaled = node.op_type.startswith("Binary")
    return alpha * np.float32(graph.constants[node.inputs[_X_SCALE]].read()) if is_scaled else alpha


def _shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """Of the weights as Gemm has them, (inputs, outputs), or as Conv, (outputs, inputs of a group, *kernel)."""
    inputs, outputs = graph.shape(node.inputs[_WEIGHT])
    kernel = node.ints("kernel_shape", ())
    return (outputs, inputs // math.prod(kernel), *kernel) if node.op_type.endswith("Conv") else (inputs, outputs)


def _laid_out(weight: Array, shape: tuple[int, ...]) -> Array:
    """A matrix (inputs, outputs), its rows tap by tap, in that shape."""
    if len(shape) > 2:
        weight = weight.reshape(-1, shape[1], shape[0]).transpose(2, 1, 0).reshape(shape)
    return np.ascontiguousarray(weight, dtype=np.float32)
