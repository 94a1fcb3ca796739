"""What onnx's shape rules let pass and onnxruntime refuses when it runs: parameters of another size than their node needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.ir.graph import Graph, Node

__all__ = ["check_operands"]

_REPAIR = "repair the model, or export it again"
_SAME = ("SAME_UPPER", "SAME_LOWER")
Shape = tuple[int, ...]


def check_operands(graph: Graph) -> None:
    """Check the parameters of convolutions, products and normalizations, and the windows of pools.

    Raises:
        ModelError: a kernel, a bias or a vector of a normalization does not fit its node's input.
        UnsupportedError: a pool that onnxruntime runs in another way than its operator set says.
    """
    for node in graph.nodes:
        if not node.domain and node.op_type in _CHECKS:
            _CHECKS[node.op_type](graph, node)


def _check_conv(graph: Graph, node: Node) -> None:
    out_channels, group_channels, *kernel = graph.shape(node.inputs[1])
    groups, in_channels = node.int("group", 1), graph.shape(node.inputs[0])[1]
    if groups < 1 or out_channels % groups or group_channels * groups != in_channels:
        found = f"{out_channels} x {group_channels} channels in {groups} groups, its input {in_channels} channels"
        raise ModelError(_place(node), f"has a weight of {found}", _REPAIR)
    if node.ints("kernel_shape", tuple(kernel)) != tuple(kernel):
        raise ModelError(_place(node), "has a kernel_shape that is not that of its weight", _REPAIR)
    _check_vector(graph, node, 2, out_channels)


def _check_conv_transpose(graph: Graph, node: Node) -> None:
    _check_vector(graph, node, 2, graph.shape(node.inputs[1])[1] * node.int("group", 1))


def _check_gemm(graph: Graph, node: Node) -> None:
    """A bias is spread over the product's rows and columns, never the other way round."""
    rows, columns = graph.shape(node.outputs[0])
    shape = graph.shape(node.inputs[2]) if node.input(2) else ()
    if len(shape) > 2 or any(size not in (1, most) for size, most in zip(reversed(shape), (columns, rows))):
        raise ModelError(_place(node), f"has a bias of shape {_text(shape)} for a product of {rows}x{columns}", _REPAIR)


def _check_normalization(graph: Graph, node: Node) -> None:
    for position in range(1, len(node.inputs)):
        _check_vector(graph, node, position, graph.shape(node.inputs[0])[1])


def _check_pool(graph: Graph, node: Node) -> None:
    """Onnxruntime pads a pool with dilation as if it had none, and computes fewer windows."""
    if node.string("auto_pad", "NOTSET") in _SAME and any(step != 1 for step in node.ints("dilations", (1,))):
        problem = (
            f"pads by {node.string('auto_pad', '')} and has dilations, which onnxruntime does not run as the operator set says"
        )
        raise UnsupportedError(_place(node), problem, "export it with explicit pads")


def _check_vector(graph: Graph, node: Node, position: int, size: int) -> None:
    name = node.input(position)
    if name and graph.shape(name) != (size,):
        raise ModelError(
            _place(node), f"has the parameter '{name}' of shape {_text(graph.shape(name))}, expected {size}", _REPAIR
        )


def _place(node: Node) -> str:
    return f"node '{node.name}' ({node.op_type})"


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one number"


_CHECKS: Mapping[str, Callable[[Graph, Node], None]] = {
    "AveragePool": _check_pool,
    "Conv": _check_conv,
    "ConvTranspose": _check_conv_transpose,
    "Gemm": _check_gemm,
    "GroupNormalization": _check_normalization,
    "InstanceNormalization": _check_normalization,
    "LpPool": _check_pool,
    "MaxPool": _check_pool,
}
