"""Pooling: the gradient goes back to where the window took its value, or is shared by the window."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.operators.geometry import explicit_window
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.builder import refuse
from tinyfoa_rt.steps.vjp.rule import VjpRule, grad_name

__all__ = ["POOLING_RULES"]


def _max_pool(backward: BackwardPass, node: Node, grad: str) -> None:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise refuse(node.name, "MaxPool with a second output (indices) has no gradient rule")
    size = backward.builder.graph.shape(node.inputs[0])[2:]
    attributes = {**explicit_window(size, node.attributes), "ceil_mode": node.int("ceil_mode", 0)}
    _pool(backward, node, (grad, backward.saved(node.inputs[0]), backward.saved(node.outputs[0])), attributes)


def _average_pool(backward: BackwardPass, node: Node, grad: str) -> None:
    graph = backward.builder.graph
    size, out_size = graph.shape(node.inputs[0])[2:], graph.shape(node.outputs[0])[2:]
    window = explicit_window(size, node.attributes)
    kernel, strides, dilations, pads = (tuple(map(int, value)) for value in window.values())  # type: ignore[arg-type]
    rank = len(size)
    padded = [size[a] + pads[a] + pads[a + rank] for a in range(rank)]
    reached = [(out_size[a] - 1) * strides[a] + (kernel[a] - 1) * dilations[a] + 1 for a in range(rank)]
    ends: dict[str, Attribute] = {
        "overhang": tuple(max(0, reached[a] - padded[a]) for a in range(rank)),
        "unreached": tuple(max(0, padded[a] - reached[a]) for a in range(rank)),
    }
    _pool(backward, node, (grad,), {**window, **ends, "count_include_pad": node.int("count_include_pad", 0)})


def _global_average_pool(backward: BackwardPass, node: Node, grad: str) -> None:
    _pool(backward, node, (grad,), {})


def _reduce_mean(backward: BackwardPass, node: Node, grad: str) -> None:
    """A mean over all positions, as exporters write global average pooling."""
    graph, x = backward.builder.graph, node.inputs[0]
    rank = len(graph.shape(x))
    axes = graph.constants[node.input(1)].as_ints() if graph.is_constant(node.input(1)) else node.ints("axes", ())
    if sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise refuse(node.name, "ReduceMean has a gradient rule only over all positions, axes 2 and up")
    _global_average_pool(backward, node, grad)


def _pool(backward: BackwardPass, node: Node, inputs: tuple[str, ...], window: Mapping[str, Attribute]) -> None:
    x = node.inputs[0]
    attributes = {**window, "input_shape": backward.grad_type(x).shape}
    operator = "GlobalAveragePoolGrad" if node.op_type == "ReduceMean" else f"{node.op_type}Grad"
    output = backward.builder.call(operator, (*inputs, backward.origin), (grad_name(node, x),), attributes, "gradient")
    backward.add(x, output[0])


POOLING_RULES: Mapping[str, VjpRule] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "MaxPool": _max_pool,
    "ReduceMean": _reduce_mean,
}
