"""Pooling: the gradient goes back to where the window took its value, or is shared by the window."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.builder import refuse
from tinyfoa_rt.steps.vjp.rule import VjpRule, grad_name

__all__ = ["POOLING_RULES"]

_WINDOW = ("kernel_shape", "strides", "dilations", "pads", "auto_pad", "ceil_mode", "count_include_pad")


def _max_pool(backward: BackwardPass, node: Node, grad: str) -> None:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise refuse(node.name, "MaxPool with a second output (indices) has no gradient rule")
    _pool(backward, node, (grad, backward.saved(node.inputs[0]), backward.saved(node.outputs[0])))


def _average_pool(backward: BackwardPass, node: Node, grad: str) -> None:
    _pool(backward, node, (grad,))


def _reduce_mean(backward: BackwardPass, node: Node, grad: str) -> None:
    """A mean over all positions, as exporters write global average pooling."""
    graph, x = backward.builder.graph, node.inputs[0]
    rank = len(graph.shape(x))
    axes = graph.constants[node.input(1)].as_ints() if graph.is_constant(node.input(1)) else node.ints("axes", ())
    if sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise refuse(node.name, "ReduceMean has a gradient rule only over all positions, axes 2 and up")
    attributes = {"input_shape": backward.grad_type(x).shape}
    inputs = (grad, backward.origin)
    backward.add(x, backward.builder.call("GlobalAveragePoolGrad", inputs, (grad_name(node, x),), attributes, "gradient")[0])


def _pool(backward: BackwardPass, node: Node, inputs: tuple[str, ...]) -> None:
    x = node.inputs[0]
    window = {name: node.attributes[name] for name in _WINDOW if name in node.attributes}
    attributes = {**window, "input_shape": backward.grad_type(x).shape}
    operator = f"{node.op_type}Grad"
    output = backward.builder.call(operator, (*inputs, backward.origin), (grad_name(node, x),), attributes, "gradient")
    backward.add(x, output[0])


POOLING_RULES: Mapping[str, VjpRule] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _average_pool,
    "MaxPool": _max_pool,
    "ReduceMean": _reduce_mean,
}
