"""The mean over all positions; exporters also write it as ReduceMean."""

from __future__ import annotations

import math

from tinyfoa_rt.ir.c_program import Call, Number, Statement
from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.channels import by_channel
from tinyfoa_rt.operators.lowering import Lowering, refuse
from tinyfoa_rt.operators.pooling.window import add_pool_gradient, planes_of, pool_gradient_row
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.vjp import GradientPass
from tinyfoa_rt.operators.vjp import refuse as refuse_to_train

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    add_pool_gradient(backward, node, ("GlobalAveragePoolGrad", (grad,)), {})


def _reduce_mean_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    graph, x = backward.builder.graph, node.inputs[0]
    rank = len(graph.shape(x))
    axes = graph.constants[node.input(1)].as_ints() if graph.is_constant(node.input(1)) else node.ints("axes", ())
    if sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise refuse_to_train(node.name, "ReduceMean has a gradient rule only over all positions, axes 2 and up")
    _vjp(backward, node, grad)


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    shape = lowering.shape(node.inputs[0])
    sizes = lowering.leading(shape, shape[1]), Number(math.prod(shape[2:]))
    return [Call("tfoa_global_average_pool", (*sizes, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _lower_reduce_mean(lowering: Lowering, node: StepNode) -> list[Statement]:
    rank = len(lowering.shape(node.inputs[0]))
    axes = lowering.whole_numbers(node.input(1)) or node.ints("axes", ())
    if sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise refuse(node, "takes the mean over other axes than all positions, axes 2 and up")
    return _lower(lowering, node)


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    size = Number(math.prod(lowering.shape(node.outputs[0])[2:]))
    places = lowering.at(node.inputs[0]), lowering.at(node.outputs[0])
    return [Call("tfoa_global_average_pool_grad", (planes_of(lowering, node, node.input(1)), size, *places))]


register(
    StandardOperator(name="GlobalAveragePool", vjp=_vjp, lower=_lower, keeps_channels=by_channel, is_mean=True),
    StandardOperator(name="ReduceMean", vjp=_reduce_mean_vjp, lower=_lower_reduce_mean, keeps_channels=by_channel, is_mean=True),
    pool_gradient_row(
        "GlobalAveragePoolGrad",
        (),
        "The gradient is shared evenly by all positions.",
        ("input_shape",),
        _lower_gradient,
    ),
)
