"""Normalization: running statistics are constants of the step, so batch normalization scales the gradient a channel."""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.names import statistics_of, successor
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.vjp.rule import VjpRule, grad_name

__all__ = ["NORMALIZATION_RULES"]


def _batch_normalization(backward: BackwardPass, node: Node, grad: str) -> None:
    x = node.inputs[0]
    gain = backward.builder.constant(node.inputs[1])
    variance = successor(statistics_of(node.outputs[0])[1])
    inputs = (grad, gain, variance, backward.origin)
    output = (grad_name(node, x),)
    attributes = {"epsilon": node.float("epsilon", 1e-5), **backward.channel_size(x)}
    backward.add(x, backward.builder.call("BatchNormalizationGrad", inputs, output, attributes, "gradient")[0])


def _local_response(backward: BackwardPass, node: Node, grad: str) -> None:
    x = node.inputs[0]
    inputs = (grad, backward.saved(x), backward.saved(node.outputs[0]))
    attributes = {name: node.attributes[name] for name in ("alpha", "beta", "bias", "size") if name in node.attributes}
    backward.add(x, backward.builder.call("LRNGrad", inputs, (grad_name(node, x),), attributes, "gradient")[0])


NORMALIZATION_RULES: Mapping[str, VjpRule] = {"BatchNormalization": _batch_normalization, "LRN": _local_response}
