"""Products with constants, y = x * c or x / c, whose gradients are scaled the same way."""

from __future__ import annotations

import math

from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Number, Shifted, Statement, Value
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.channels import elementwise
from tinyfoa_rt.operators.elementwise.arithmetic import lower_binary
from tinyfoa_rt.operators.geometry import same_as_first
from tinyfoa_rt.operators.lowering import Lowering, channel_count
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import EITHER_IN_PLACE, IN_PLACE, Operator, Port, StandardOperator, no_scratch
from tinyfoa_rt.operators.strides import MOST_AXES, check_axes, numbers, strides_of, whole_strides
from tinyfoa_rt.operators.vjp import GradientPass, grad_name, refuse

__all__: list[str] = []


def _product_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    x, factor = node.inputs[:2]
    if backward.builder.graph.is_constant(x):
        x, factor = factor, x
    _add_scaled(backward, node, (x, factor, grad), {})


def _quotient_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    _add_scaled(backward, node, (node.inputs[0], node.inputs[1], grad), {"exponent": -1.0})


def _add_scaled(backward: GradientPass, node: Node, given: tuple[str, str, str], exponent: dict[str, Attribute]) -> None:
    graph = backward.builder.graph
    x, factor, grad = given
    if not graph.is_constant(factor):
        raise refuse(node.name, f"{node.op_type} of two computed values has no gradient rule")
    if graph.shape(x) != graph.shape(node.outputs[0]):
        raise refuse(node.name, f"{node.op_type} with a constant that enlarges its input has no gradient rule")
    rank, shape = len(graph.shape(x)), graph.shape(factor)
    has_channels = len(shape) >= rank - 1 and shape[len(shape) - rank + 1] > 1
    inputs = (grad, backward.builder.constant(factor), backward.origin if has_channels else "")
    attributes = {**backward.channel_size(x), **exponent}
    backward.add(x, backward.builder.call("ChannelScaleGrad", inputs, (grad_name(node, x),), attributes, "gradient")[0])


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    """A product with a constant, or a quotient, of those of its channels that the gradient is of."""
    grad, grad_x, origin = node.inputs[0], node.outputs[0], node.input(2)
    factor = lowering.constant(lowering.graph.constants[node.inputs[1]])
    shape, size = check_axes(lowering, node, grad), node.int("channel_size", 1)
    inner = math.prod(shape[2:])
    strides = strides_of(lowering.shape(node.inputs[1]), shape)
    channels: Argument = Number(shape[1])
    sample: Argument = Number(shape[1] * inner)
    operand: Argument = factor
    if origin:
        channels, sample = channel_count(lowering, origin, size), channel_count(lowering, origin, size * inner)
        operand = Shifted(factor, Value("int32_t", lowering.offsets[origin] + 4, size * strides[1]))
    unused = (Number(0),) * (MOST_AXES - len(shape))
    sizes = Braces((lowering.leading(shape), channels, *map(Number, shape[2:]), *unused))
    of_grad = Braces((sample, *map(Number, whole_strides(shape)[1:]), *unused))
    fields = Fields("tfoa_strides", (Number(len(shape)), sizes, of_grad, numbers(strides, MOST_AXES)))
    function = "tfoa_div" if node.float("exponent", 1.0) < 0 else "tfoa_mul"
    return [Call(function, (fields, lowering.at(grad), operand, lowering.at(grad_x)))]


register(
    StandardOperator(
        name="Mul",
        memory=EITHER_IN_PLACE,
        vjp=_product_vjp,
        lower=lower_binary("tfoa_mul"),
        keeps_channels=elementwise,
    ),
    StandardOperator(
        name="Div",
        memory=EITHER_IN_PLACE,
        vjp=_quotient_vjp,
        lower=lower_binary("tfoa_div"),
        keeps_channels=elementwise,
    ),
    Operator(
        name="ChannelScaleGrad",
        inputs=(Port("grad_y"), Port("factor"), Port("origin", is_optional=True)),
        outputs=(Port("grad_x"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="grad_x = grad_y * factor^exponent a channel: a multiplication by a constant, or a division (exponent -1).",
        memory=IN_PLACE,
        attributes=("exponent", "channel_size"),
        lower=_lower_gradient,
    ),
)
