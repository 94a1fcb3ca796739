"""Gradients through what lies between a trained layer and its block's output -> calls of targets/c99/kernels/backward.h."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.export.c99.strided_operators import MOST_AXES, numbers, strides_of, whole_strides
from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Number, Real, Shifted, Statement, Value
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering, Rule, refuse, stop_if_measured
from tinyfoa_rt.operators.row import snake_case
from tinyfoa_rt.operators.updates import LARGEST
from tinyfoa_rt.operators.windows import window_of

__all__ = ["GRADIENT_RULES", "lrn_shape"]


def _elementwise(**parameters: float) -> Rule:
    """A gradient in its own place, by what was saved; ``parameters`` are attributes of the kernel and their defaults."""

    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        saved = node.inputs[1]
        numbers_given = [Real(node.float(name, default)) for name, default in parameters.items()]
        ctype = "const uint32_t" if lowering.type_of(saved).dtype == "bit" else "float"
        part = lowering.channel_part(node, saved, node.input(2))
        return _in_place(lowering, node, (part, *numbers_given, lowering.at(saved, ctype)))

    return rule


def _in_place(lowering: Lowering, node: StepNode, arguments: tuple[Argument, ...]) -> list[Statement]:
    grad, grad_x = node.inputs[0], node.outputs[0]
    return [*lowering.in_place(grad, grad_x), Call(f"tfoa_{snake_case(node.op_type)}", (*arguments, lowering.at(grad_x)))]


def _softmax(lowering: Lowering, node: StepNode) -> list[Statement]:
    y = node.inputs[1]
    shape = lowering.shape(y)
    axis = node.int("axis", -1) % len(shape)
    if axis == 0:
        raise refuse(node, "takes the softmax over the batch")
    sizes = (lowering.leading(shape, math.prod(shape[1:axis])), Number(shape[axis]), Number(math.prod(shape[axis + 1 :])))
    return _in_place(lowering, node, (*sizes, lowering.at(y)))


def _count(lowering: Lowering, origin: str, times: int) -> Value:
    """How many channels the active slice has, ``times`` a number."""
    return Value("int32_t", lowering.offsets[origin] + 12, times)


def _batch_normalization(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, gain, variance = node.inputs[:3]
    given = Real(node.float("epsilon", 1e-5)), lowering.real(gain), lowering.at(variance)
    return _in_place(lowering, node, (_normalized_part(lowering, node, (grad, gain)), *given))


def _shift_step(lowering: Lowering, node: StepNode) -> list[Statement]:
    shift, grad, rate = node.inputs[:3]
    share = Real(node.float("share", 1.0)), Value("float", lowering.offsets[rate])
    part = _normalized_part(lowering, node, (grad, shift))
    return [Call("tfoa_shift_sgd_step", (part, *share, lowering.at(grad), lowering.at(shift)))]


def _normalized_part(lowering: Lowering, node: StepNode, given: tuple[str, str]) -> Fields:
    """Of the gradient ``given``: what is normalized are channels, or single columns where channels were flattened."""
    grad, parameter = given
    origin, shape, size = node.input(3), lowering.shape(grad), node.int("channel_size", 1)
    every = Number(math.prod(lowering.shape(parameter)))
    span: tuple[Argument, Argument] = Number(0), every
    if origin:
        span = Value("int32_t", lowering.offsets[origin] + 4, size), _count(lowering, origin, size)
    return Fields("tfoa_channel_part", (Braces((lowering.leading(shape), every, Number(math.prod(shape[2:])))), *span))


def _channel_scale(lowering: Lowering, node: StepNode) -> list[Statement]:
    """A product with a constant, or a quotient, of those of its channels that the gradient is of."""
    grad, grad_x, origin = node.inputs[0], node.outputs[0], node.input(2)
    factor = lowering.constant(lowering.graph.constants[node.inputs[1]])
    shape, size = lowering.shape(grad), node.int("channel_size", 1)
    if len(shape) > MOST_AXES:
        raise refuse(node, f"has {len(shape)} axes, more than {MOST_AXES}")
    inner = math.prod(shape[2:])
    strides = strides_of(lowering.shape(node.inputs[1]), shape)
    channels: Argument = Number(shape[1])
    sample: Argument = Number(shape[1] * inner)
    operand: Argument = factor
    if origin:
        channels, sample = _count(lowering, origin, size), _count(lowering, origin, size * inner)
        operand = Shifted(factor, Value("int32_t", lowering.offsets[origin] + 4, size * strides[1]))
    unused = (Number(0),) * (MOST_AXES - len(shape))
    sizes = Braces((lowering.leading(shape), channels, *map(Number, shape[2:]), *unused))
    of_grad = Braces((sample, *map(Number, whole_strides(shape)[1:]), *unused))
    fields = Fields("tfoa_strides", (Number(len(shape)), sizes, of_grad, numbers(strides, MOST_AXES)))
    function = "tfoa_div" if node.float("exponent", 1.0) < 0 else "tfoa_mul"
    return [Call(function, (fields, lowering.at(grad), operand, lowering.at(grad_x)))]


def _planes(lowering: Lowering, node: StepNode, origin: str) -> Argument:
    """Images of the gradient, over all samples."""
    shape = lowering.shape(node.outputs[0])
    return _count(lowering, origin, shape[0]) if origin else lowering.leading(shape, shape[1])


def _max_pool(lowering: Lowering, node: StepNode) -> list[Statement]:
    grad, x, _, grad_x = *node.inputs[:3], node.outputs[0]
    window = _window(lowering, node)
    part = lowering.channel_part(node, x, node.input(3))
    return [Call("tfoa_max_pool_grad", (part, window, lowering.at(grad), lowering.at(x), lowering.at(grad_x)))]


def _average_pool(lowering: Lowering, node: StepNode) -> list[Statement]:
    planes, includes_pad = _planes(lowering, node, node.input(1)), Number(node.int("count_include_pad", 0))
    places = lowering.at(node.inputs[0]), lowering.at(node.outputs[0])
    return [Call("tfoa_average_pool_grad", (_window(lowering, node), planes, includes_pad, *places))]


def _window(lowering: Lowering, node: StepNode) -> Fields:
    out_size, in_size = (lowering.shape(name)[2:] for name in (node.inputs[0], node.outputs[0]))
    return Fields("tfoa_window", window_of(node, in_size, out_size, node.ints("kernel_shape", ())).values)


def _global_average_pool(lowering: Lowering, node: StepNode) -> list[Statement]:
    size = Number(math.prod(lowering.shape(node.outputs[0])[2:]))
    places = lowering.at(node.inputs[0]), lowering.at(node.outputs[0])
    return [Call("tfoa_global_average_pool_grad", (_planes(lowering, node, node.input(1)), size, *places))]


def lrn_shape(lowering: Lowering, node: StepNode, x: str) -> Fields:
    """``tfoa_lrn_shape`` of LRN, and of its gradient."""
    size = Number(node.int("size", 1))
    given = (Real(node.float(name, default)) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return Fields("tfoa_lrn_shape", (lowering.channels(x), size, *given))


def _lrn(lowering: Lowering, node: StepNode) -> list[Statement]:
    places = (lowering.at(name) for name in (*node.inputs, node.outputs[0]))
    return [Call("tfoa_lrn_grad", (lrn_shape(lowering, node, node.inputs[1]), *places))]


def _running_batch_normalization(lowering: Lowering, node: StepNode) -> list[Statement]:
    """Statistics follow what comes, and then normalize it."""
    x, gain, shift, mean, variance = node.inputs
    momentum = Call("tfoa_scale_momentum", (CONTEXT, Real(node.float("momentum", 0.9))))
    shape, kept = lowering.channel_fields(x), (lowering.at(mean), lowering.at(variance))
    by = Fields("tfoa_normalization", (*map(lowering.real, (gain, shift)), *kept, Real(node.float("epsilon", 1e-5))))
    return [
        Call("tfoa_follow_statistics", (shape, momentum, lowering.real(x), *kept)),
        *stop_if_measured(lowering, node),
        Call("tfoa_batch_normalization", (shape, by, lowering.real(x), lowering.at(node.outputs[0]))),
    ]


GRADIENT_RULES: Mapping[str, Rule] = {
    "ReluGrad": _elementwise(),
    "ClipGrad": _elementwise(min=-LARGEST, max=LARGEST),
    "LeakyReluGrad": _elementwise(alpha=0.01),
    "SigmoidGrad": _elementwise(),
    "TanhGrad": _elementwise(),
    "HardSigmoidGrad": _elementwise(alpha=0.2),
    "HardSwishGrad": _elementwise(),
    "StraightThroughGrad": _elementwise(),
    "SoftmaxGrad": _softmax,
    "BatchNormalizationGrad": _batch_normalization,
    "ShiftSgdStep": _shift_step,
    "ChannelScaleGrad": _channel_scale,
    "MaxPoolGrad": _max_pool,
    "AveragePoolGrad": _average_pool,
    "GlobalAveragePoolGrad": _global_average_pool,
    "LRNGrad": _lrn,
    "RunningBatchNormalization": _running_batch_normalization,
}
