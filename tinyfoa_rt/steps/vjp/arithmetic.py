"""Sums pass the gradient on; a product with a constant scales it. A broadcast input gets the sum over the repeated axes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.builder import refuse
from tinyfoa_rt.steps.vjp.rule import VjpRule, grad_name

__all__ = ["ARITHMETIC_RULES"]


def _sum(backward: BackwardPass, node: Node, grad: str) -> None:
    """A value that is a term more than once gets the gradient as often."""
    for value, times in Counter(node.inputs).items():
        if backward.needs(value):
            share = _unbroadcast(backward, node, value, grad)
            for _ in range(times):
                backward.add(value, share)


def _difference(backward: BackwardPass, node: Node, grad: str) -> None:
    minuend, subtrahend = node.inputs[:2]
    if backward.needs(minuend):
        backward.add(minuend, _unbroadcast(backward, node, minuend, grad))
    if backward.needs(subtrahend):
        shape = backward.grad_type(node.outputs[0])
        negated = backward.builder.standard("Neg", (grad,), (own(grad, "negated"), shape), category="gradient")
        backward.add(subtrahend, _unbroadcast(backward, node, subtrahend, negated))


def _scaled(backward: BackwardPass, node: Node, grad: str) -> None:
    """Scale by a constant c: y = x * c or x / c."""
    graph = backward.builder.graph
    x, factor = node.inputs[:2]
    if graph.is_constant(x) and node.op_type == "Mul":
        x, factor = factor, x
    if not graph.is_constant(factor):
        raise refuse(node.name, f"{node.op_type} of two computed values has no gradient rule")
    if graph.shape(x) != graph.shape(node.outputs[0]):
        raise refuse(node.name, f"{node.op_type} with a constant that enlarges its input has no gradient rule")
    rank, shape = len(graph.shape(x)), graph.shape(factor)
    has_channels = len(shape) >= rank - 1 and shape[len(shape) - rank + 1] > 1
    inputs = (grad, backward.builder.constant(factor), backward.origin if has_channels else "")
    output = (grad_name(node, x),)
    attributes = {**backward.channel_size(x), **({"exponent": -1.0} if node.op_type == "Div" else {})}
    backward.add(x, backward.builder.call("ChannelScaleGrad", inputs, output, attributes, "gradient")[0])


def _unbroadcast(backward: BackwardPass, node: Node, value: str, grad: str) -> str:
    if backward.builder.graph.shape(value) == backward.builder.graph.shape(node.outputs[0]):
        return grad
    output = (grad_name(node, value), backward.grad_type(value))
    return backward.builder.standard("ReduceSum", (grad,), output, category="gradient")


ARITHMETIC_RULES: Mapping[str, VjpRule] = {
    "Add": _sum,
    "Div": _scaled,
    "Mul": _scaled,
    "Sub": _difference,
    "Sum": _sum,
}
