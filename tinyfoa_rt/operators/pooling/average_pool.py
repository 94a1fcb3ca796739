"""The mean of each window."""

from __future__ import annotations

from tinyfoa_rt.ir.c_program import Call, Number, Statement
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.channels import by_channel
from tinyfoa_rt.operators.geometry import POOL_ATTRIBUTES, explicit_window
from tinyfoa_rt.operators.lowering import Lowering
from tinyfoa_rt.operators.pooling.window import add_pool_gradient, gradient_window, planes_of, pool_gradient_row, pool_window
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import StandardOperator
from tinyfoa_rt.operators.vjp import GradientPass

__all__: list[str] = []


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
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
    counts_pads = {"count_include_pad": node.int("count_include_pad", 0)}
    add_pool_gradient(backward, node, ("AveragePoolGrad", (grad,)), {**window, **ends, **counts_pads})


def _lower(lowering: Lowering, node: StepNode) -> list[Statement]:
    window, planes = pool_window(lowering, node)
    includes_pad = Number(node.int("count_include_pad", 0))
    places = lowering.real(node.inputs[0]), lowering.at(node.outputs[0])
    return [Call("tfoa_average_pool", (window, planes, includes_pad, *places))]


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    planes, includes_pad = planes_of(lowering, node, node.input(1)), Number(node.int("count_include_pad", 0))
    places = lowering.at(node.inputs[0]), lowering.at(node.outputs[0])
    return [Call("tfoa_average_pool_grad", (gradient_window(lowering, node), planes, includes_pad, *places))]


register(
    StandardOperator(name="AveragePool", vjp=_vjp, lower=_lower, keeps_channels=by_channel, is_mean=True),
    pool_gradient_row(
        "AveragePoolGrad",
        (),
        "The gradient is shared evenly by the window.",
        (*POOL_ATTRIBUTES, "overhang", "unreached", "count_include_pad", "input_shape"),
        _lower_gradient,
    ),
)
