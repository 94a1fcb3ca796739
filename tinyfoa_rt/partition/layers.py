"""Find the trainable layers: Gemm, MatMul (with a bias Add), Conv and LocallyConnected with constant weights.

A node that looks like a layer but cannot be trained (a product of two computed values, a transposed input, a 3-D convolution)
is no layer; :func:`untrainable_products` says why, for ``inspect``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from tinyfoa_rt.ir.block import Layer
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.partition.own_operators import DOMAIN, is_own_product, own_name

__all__ = ["find_layers", "untrainable_products"]

_PRODUCTS = frozenset({"Gemm", "MatMul", "Conv", "LocallyConnected"})
_LOCAL_PRODUCTS = frozenset({"RealLocallyConnected", "SignLocallyConnected", "BinaryLocallyConnected"})
_INTEGER_PRODUCTS = frozenset({"ConvInteger", "MatMulInteger", "QGemm", "QLinearConv", "QLinearMatMul"})
_FUSED_PRODUCTS = frozenset({"FusedConv", "FusedGemm", "FusedMatMul", "GemmFastGelu"})


def find_layers(graph: Graph) -> tuple[Layer, ...]:
    """Return the trainable layers of ``graph`` in execution order."""
    consumers = _consumers(graph)
    untrainable = untrainable_products(graph)
    builders = {"Gemm": _gemm, "MatMul": _matmul, "Conv": _conv, "LocallyConnected": _locally_connected}
    return tuple(
        _own_product(graph, node) if is_own_product(node) else builders[node.op_type](graph, node, consumers)
        for node in graph.nodes
        if _is_product(node) and node.name not in untrainable
    )


def untrainable_products(graph: Graph) -> Mapping[str, str]:
    """Return why products that look like layers cannot be trained, by the node's name."""
    products = [node for node in graph.nodes if _is_product(node)]
    users = Counter(node.input(1) for node in products)
    reasons: dict[str, str] = {}
    for node in products:
        reason = _reason(graph, node)
        if reason is None and users[node.input(1)] > 1:
            reason = f"its weight '{node.input(1)}' is shared with another layer"
        if reason is not None:
            reasons[node.name] = reason
    for node in graph.nodes:
        if node.op_type in _INTEGER_PRODUCTS and node.domain in ("", "com.microsoft"):
            reasons[node.name] = f"{node.op_type} multiplies integers: it runs as it is; to train it, quantize in the format QDQ"
        elif node.op_type in _FUSED_PRODUCTS and node.domain == "com.microsoft":
            reasons[node.name] = f"{node.op_type} is fused: it runs as it is; to train it, take the model before its optimization"
        elif node.op_type in _LOCAL_PRODUCTS and node.domain == DOMAIN:
            reasons[node.name] = "it is a locally connected layer of a trained model: train the model that this one came from"
    return reasons


def _is_product(node: Node) -> bool:
    return is_own_product(node) or (node.op_type in _PRODUCTS and node.domain in ("", DOMAIN))


def _reason(graph: Graph, node: Node) -> str | None:
    if not graph.is_constant(node.input(1)):
        return "its weight is computed, not constant"
    if graph.constant_at(node.input(0), 1) is not None:
        return "its input is constant"
    if node.input(2) and not graph.is_constant(node.input(2)):
        return "its bias is computed, not constant"
    if is_own_product(node):
        return None
    if graph.constants[node.input(1)].dtype != "float32":
        return f"its weights are {graph.constants[node.input(1)].dtype}: convert the model to float32 to train it"
    return _shape_reason(graph, node)


def _shape_reason(graph: Graph, node: Node) -> str | None:
    weight_rank = len(graph.shape(node.input(1)))
    if node.op_type == "Gemm" and node.int("transA", 0):
        return "its input is transposed (transA=1)"
    if node.op_type == "MatMul" and weight_rank != 2:
        return f"its weight has {weight_rank} dimensions; 2 are supported"
    if node.op_type == "Conv" and weight_rank not in (3, 4):
        return f"it is a {weight_rank - 2}-D convolution; 1-D and 2-D are supported"
    return None


def _consumers(graph: Graph) -> Mapping[str, list[Node]]:
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            if name:
                readers.setdefault(name, []).append(node)
    return readers


def _gemm(graph: Graph, node: Node, consumers: Mapping[str, list[Node]]) -> Layer:
    rows, columns = graph.shape(node.input(1))
    n_in, n_out = (columns, rows) if node.int("transB", 0) else (rows, columns)
    layer = _dense(graph, (node,), n_in, n_out, node.input(2) or None)
    return replace(layer, weight_factor=node.float("alpha", 1.0), bias_factor=node.float("beta", 1.0))


def _matmul(graph: Graph, node: Node, consumers: Mapping[str, list[Node]]) -> Layer:
    n_in, n_out = graph.shape(node.input(1))
    add = _bias_add(graph, node.outputs[0], n_out, consumers)
    if add is None:
        return _dense(graph, (node,), n_in, n_out, None)
    bias = add.inputs[1] if add.inputs[0] == node.outputs[0] else add.inputs[0]
    return _dense(graph, (node, add), n_in, n_out, bias)


def _bias_add(graph: Graph, product: str, n_out: int, consumers: Mapping[str, list[Node]]) -> Node | None:
    """The Add that gives ``product`` its bias: the only reader, with a constant vector along the last axis."""
    readers = consumers.get(product, [])
    if len(readers) != 1 or readers[0].op_type != "Add" or product in graph.outputs:
        return None
    others = [name for name in readers[0].inputs if name != product]
    if len(others) != 1 or not graph.is_constant(others[0]):
        return None
    shape = graph.shape(others[0])
    is_vector = bool(shape) and shape[-1] == n_out and math.prod(shape) == n_out
    return readers[0] if is_vector and len(shape) <= len(graph.shape(product)) else None


def _dense(graph: Graph, nodes: tuple[Node, ...], n_in: int, n_out: int, bias: str | None) -> Layer:
    product = nodes[0]
    return Layer(
        name=product.name,
        kind="dense",
        nodes=nodes,
        weight=product.inputs[1],
        bias=bias,
        input=product.inputs[0],
        output=nodes[-1].outputs[0],
        in_features=n_in,
        out_features=n_out,
        positions=graph.values[product.outputs[0]].size // n_out,
    )


def _conv(graph: Graph, node: Node, consumers: Mapping[str, list[Node]]) -> Layer:
    out_channels, group_channels, *kernel = graph.shape(node.inputs[1])
    return Layer(
        name=node.name,
        kind="conv",
        nodes=(node,),
        weight=node.inputs[1],
        bias=node.input(2) or None,
        input=node.inputs[0],
        output=node.outputs[0],
        in_features=group_channels,
        out_features=out_channels,
        taps=math.prod(kernel),
        groups=node.int("group", 1),
        positions=graph.values[node.outputs[0]].size // out_channels,
    )


def _own_product(graph: Graph, node: Node) -> Layer:
    """A layer of a model that was trained here: its weights are a matrix (inputs, outputs), tap by tap."""
    rows, out_features = graph.shape(node.inputs[1])
    taps = math.prod(node.ints("kernel_shape", ()))
    return Layer(
        name=own_name(graph, node),
        kind="dense" if node.op_type.endswith("Dense") else "conv",
        nodes=(node,),
        weight=node.inputs[1],
        bias=node.input(2) or None,
        input=node.inputs[0],
        output=node.outputs[0],
        in_features=rows // taps,
        out_features=out_features,
        taps=taps,
        groups=node.int("group", 1),
        positions=graph.values[node.outputs[0]].size // out_features,
    )


def _locally_connected(graph: Graph, node: Node, consumers: Mapping[str, list[Node]]) -> Layer:
    positions, row_size, out_channels = graph.shape(node.inputs[1])
    taps = math.prod(node.ints("kernel_shape", (1, 1)))
    return Layer(
        name=node.name,
        kind="local",
        nodes=(node,),
        weight=node.inputs[1],
        bias=node.input(2) or None,
        input=node.inputs[0],
        output=node.outputs[0],
        in_features=row_size // taps,
        out_features=out_channels,
        taps=taps,
        positions=positions,
    )
