"""Convolutions that are trained, in three precisions (operators/products.py says what they compute), and frozen ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Name, Number, Statement
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.geometry import (
    POOL_ATTRIBUTES,
    explicit_window,
    known,
    left_over,
    spatial_shape,
    transposed_window,
)  # fmt: skip
from tinyfoa_rt.operators.lowering import CONTEXT, NULL, Lowering, LowerRule, scale_of, whole_attribute
from tinyfoa_rt.operators.products import (
    frozen_weight,
    input_gradient_call,
    input_gradient_row,
    keep_gradient,
    product_ports,
    slice_gradient_row,
)  # fmt: skip
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Operator, Port, ScratchRule, StandardOperator, Types, no_scratch
from tinyfoa_rt.operators.vjp import GradientPass, grad_name
from tinyfoa_rt.operators.vjp import refuse as refuse_to_train
from tinyfoa_rt.operators.windows import transposed_window_of, window_of

__all__ = ["conv_output", "conv_shape"]

_WINDOW = (*POOL_ATTRIBUTES, "group")
# Of how many groups a slice has outputs at most, and how many outputs a group has: what the gradient of a slice computes.
_SLICE = ("group_outputs", "slice_groups")
_INPUT = (*_WINDOW, "output_padding")


def conv_output(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    """The shape rule of a convolution's product."""
    x, w = known(inputs[0]), known(inputs[1])
    kernel, group = attributes["kernel_shape"], attributes["group"]
    assert isinstance(kernel, tuple) and isinstance(group, int)
    outputs = w.size * group // (x.shape[1] * math.prod(int(length) for length in kernel))
    return (TensorType("float32", (x.shape[0], outputs, *spatial_shape(x.shape[2:], attributes))),)


def _quantized_sample(inputs: Types) -> int:
    """Of one sample 16 bits an input, in whole words (targets/c99/runtime/sign_conv.c)."""
    x = known(inputs[0])
    return 4 * -(-x.size // x.shape[0] // 2)


def _lower_real(lowering: Lowering, node: StepNode) -> list[Statement]:
    return [_call(lowering, node, "tfoa_real_conv", (lowering.real(node.inputs[0]),))]


def _lower_sign(lowering: Lowering, node: StepNode) -> list[Statement]:
    scratch = lowering.at(own(node.name, "scratch"), "int16_t")
    return [_call(lowering, node, "tfoa_sign_conv", (lowering.real(node.inputs[0]), scratch))]


def _lower_binary(lowering: Lowering, node: StepNode) -> list[Statement]:
    x = node.inputs[0]
    load, scale = scale_of(lowering, node.input(8))
    kernel = lowering.of_bits(x, "tfoa_binary_conv", "tfoa_level_conv")
    return [*load, _call(lowering, node, kernel, (lowering.at(x, "const uint32_t"), scale))]


def _call(lowering: Lowering, node: StepNode, kernel: str, given: tuple[Argument, ...]) -> Call:
    z = node.outputs[0]
    shape = conv_shape(lowering, node, node.inputs[0], lowering.type_of(z).shape)
    return Call(kernel, (CONTEXT, lowering.layers[node.inputs[1]], shape, *given, lowering.at(z)), may_fail=True)


def conv_shape(lowering: Lowering, node: StepNode, x: str, z_shape: tuple[int, ...]) -> Fields:
    """``tfoa_conv_shape`` of a product, or of its gradient; ``z_shape`` has all outputs."""
    x_shape = lowering.type_of(x).shape
    window = window_of(node, x_shape[2:], z_shape[2:], node.ints("kernel_shape", ()))
    counts = Number(whole_attribute(node, "group")), Number(x_shape[1]), Number(z_shape[1])
    return Fields("tfoa_conv_shape", (window, lowering.leading(x_shape), *counts))


def _lower_gradient(lowering: Lowering, node: StepNode) -> list[Statement]:
    outputs = whole_attribute(node, "group_outputs") * whole_attribute(node, "group")
    positions = lowering.type_of(node.inputs[0]).shape[2:]
    shape = conv_shape(lowering, node, node.inputs[1], (lowering.batch, outputs, *positions))
    if node.inputs[0] in lowering.pooled:
        pooled = Call("tfoa_conv_of", (_pooled_shape(lowering, node, shape),))
        return keep_gradient(lowering, node, (pooled, Name("tfoa_pooled_conv_weight_gradient")))
    kernel = lowering.of_bits(node.inputs[1], "tfoa_conv_weight_gradient", "tfoa_level_conv_weight_gradient")
    return keep_gradient(lowering, node, (shape, Name(kernel)))


def _pooled_shape(lowering: Lowering, node: StepNode, shape: Fields) -> Fields:
    """``tfoa_pooled_conv`` of a gradient by pooled errors."""
    errors = lowering.pooled[node.inputs[0]]
    return Fields("tfoa_pooled_conv", (Braces(shape.values), errors.window, errors.places))


def _lower_input_gradient(kernel: str) -> LowerRule:
    def lower(lowering: Lowering, node: StepNode) -> list[Statement]:
        shape = conv_shape(lowering, node, node.outputs[0], lowering.type_of(node.inputs[0]).shape)
        if node.inputs[0] in lowering.pooled:
            return input_gradient_call(lowering, node, "tfoa_pooled_conv_input_grad", _pooled_shape(lowering, node, shape))
        return input_gradient_call(lowering, node, kernel, shape)

    return lower


def _product(name: str, precision: str, scratch: ScratchRule, lower: LowerRule) -> Operator:
    return Operator(
        name=name,
        inputs=product_ports(precision),
        outputs=(Port("z"),),
        shape_rule=conv_output,
        scratch=scratch,
        doc=f"Conv product, {precision} precision, with the active slice kept apart.",
        attributes=("alpha", *_WINDOW),
        lower=lower,
    )


def _vjp(backward: GradientPass, node: Node, grad: str) -> None:
    """Each window hands its error back through a kernel that stays as it is."""
    weight, x = frozen_weight(backward, node), node.inputs[0]
    graph = backward.builder.graph
    size, attributes = graph.shape(x)[2:], {**node.attributes, "kernel_shape": graph.shape(weight)[2:]}
    back = {"group": node.int("group", 1), "output_padding": left_over(size, attributes), **explicit_window(size, attributes)}
    result = grad_name(node, x), backward.grad_type(x)
    backward.add(x, backward.builder.standard("ConvTranspose", (grad, weight), result, back, "gradient"))


def _transposed_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    """Each position collects the errors of the window that it was spread over, through a kernel that stays as it is."""
    weight, x = frozen_weight(backward, node), node.inputs[0]
    graph = backward.builder.graph
    size, output_size = graph.shape(x)[2:], graph.shape(node.outputs[0])[2:]
    window = transposed_window(size, output_size, {**node.attributes, "kernel_shape": graph.shape(weight)[2:]})
    if spatial_shape(output_size, window) != size:
        raise refuse_to_train(node.name, "its output goes on behind its last window; but a trained block needs its gradient")
    result = grad_name(node, x), backward.grad_type(x)
    attributes = {"group": node.int("group", 1), **window}
    backward.add(x, backward.builder.standard("Conv", (grad, weight), result, attributes, "gradient"))


def _lower_frozen(lowering: Lowering, node: StepNode) -> list[Statement]:
    x_shape, y_shape = lowering.shape(node.inputs[0]), lowering.shape(node.outputs[0])
    window = window_of(node, x_shape[2:], y_shape[2:], lowering.shape(node.inputs[1])[2:])
    return [_call_frozen(lowering, node, "tfoa_conv", window, (x_shape[1], y_shape[1]))]


def _lower_transposed(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Its kernel takes the shape of the convolution whose input ``y`` would be, and whose output ``x``."""
    x_shape, y_shape = lowering.shape(node.inputs[0]), lowering.shape(node.outputs[0])
    window = transposed_window_of(node, x_shape[2:], y_shape[2:], lowering.shape(node.inputs[1])[2:])
    return [_call_frozen(lowering, node, "tfoa_conv_transpose", window, (y_shape[1], x_shape[1]))]


def _call_frozen(lowering: Lowering, node: StepNode, kernel: str, window: Braces, channels: tuple[int, int]) -> Call:
    x, w = node.inputs[:2]
    bias = node.input(2)
    counts = lowering.rows_of(x), *(Number(count) for count in (node.int("group", 1), *channels))
    operands = lowering.real(x), lowering.real(w), lowering.real(bias) if bias else NULL
    return Call(kernel, (Fields("tfoa_conv_shape", (window, *counts)), *operands, lowering.at(node.outputs[0])))


register(
    _product("RealConv", "real", no_scratch, _lower_real),
    _product("SignConv", "sign", _quantized_sample, _lower_sign),
    _product("BinaryConv", "binary", no_scratch, _lower_binary),
    slice_gradient_row("ConvSliceGrad", (*_WINDOW, *_SLICE), _lower_gradient),
    input_gradient_row("RealConvInputGrad", "real", _INPUT, _lower_input_gradient("tfoa_real_conv_input_grad")),
    input_gradient_row("SignConvInputGrad", "sign", _INPUT, _lower_input_gradient("tfoa_sign_conv_input_grad")),
    StandardOperator(name="Conv", vjp=_vjp, lower=_lower_frozen),
    StandardOperator(name="ConvTranspose", vjp=_transposed_vjp, lower=_lower_transposed),
)
