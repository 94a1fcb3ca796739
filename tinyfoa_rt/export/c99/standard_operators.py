"""Standard operators of the model -> calls of the forward kernels (targets/c99/kernels/forward.h).

They are what a frozen part runs, and what lies between a trained layer and its block's output. A tensor begins with rows of
samples, or a call is of the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.export.c99.gradients import lrn_shape
from tinyfoa_rt.export.c99.strided_operators import MOST_AXES, STRIDED_RULES, numbers, sizes_of, strides_of
from tinyfoa_rt.export.c99.trained_layers import running_normalization
from tinyfoa_rt.ir.c_program import Argument, Braces, Call, Fields, Number, Real, Statement
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators.lowering import NULL, Lowering, Rule, refuse
from tinyfoa_rt.operators.windows import window_of

__all__ = ["STANDARD_RULES"]


def _view(lowering: Lowering, node: StepNode) -> list[Statement]:
    """The same bytes under another shape; a constant is copied."""
    if node.inputs[0] in lowering.offsets and lowering.offsets[node.inputs[0]] == lowering.offsets[node.outputs[0]]:
        return []
    count = lowering.elements(node.outputs[0])
    return [Call("tfoa_reshape", (count, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _unary(function: str, **parameters: float) -> Rule:
    """A kernel that works element by element; ``parameters`` are its attributes and their defaults."""

    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        numbers = (Real(node.float(name, default)) for name, default in parameters.items())
        count = lowering.elements(node.outputs[0])
        return [Call(function, (count, *numbers, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]

    return rule


def _clip(lowering: Lowering, node: StepNode) -> list[Statement]:
    limits = [-math.inf, math.inf]
    for position in (1, 2):
        name = node.input(position)
        if name:
            if name not in lowering.graph.constants:
                raise refuse(node, "clips to a computed limit")
            limits[position - 1] = float(lowering.graph.constants[name].read())
    count = lowering.elements(node.outputs[0])
    bounds = tuple(Real(limit) for limit in limits)
    return [Call("tfoa_clip", (count, *bounds, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _softmax(lowering: Lowering, node: StepNode) -> list[Statement]:
    shape = lowering.shape(node.inputs[0])
    axis = node.int("axis", -1) % len(shape)
    if axis == 0 and lowering.grows(node.inputs[0]):
        raise refuse(node, "takes the softmax over the batch")
    outer = lowering.leading(shape, math.prod(shape[1:axis])) if axis else Number(1)
    sizes = (outer, Number(shape[axis]), Number(math.prod(shape[axis + 1 :])))
    return [Call("tfoa_softmax", (*sizes, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _gemm(lowering: Lowering, node: StepNode) -> list[Statement]:
    a, b = node.inputs[:2]
    c = node.input(2)
    columns = lowering.shape(node.outputs[0])[1]
    transposes = node.int("transA", 0), node.int("transB", 0)
    if transposes[0]:
        raise refuse(node, "multiplies a transposed batch")
    c_shape = [1, 1, *(lowering.shape(c) if c else ())][-2:]
    strides = (columns if c_shape[1] > 1 else 1) if c_shape[0] > 1 else 0, int(c_shape[1] > 1)
    sizes = (lowering.rows_of(node.outputs[0]), *(Number(n) for n in (columns, lowering.shape(a)[1], *transposes, *strides)))
    scales = Real(node.float("alpha", 1.0)), Real(node.float("beta", 1.0))
    operands = lowering.real(a), lowering.real(b), lowering.real(c) if c else NULL
    return [Call("tfoa_gemm", (Fields("tfoa_gemm_shape", (*sizes, *scales)), *operands, lowering.at(node.outputs[0])))]


def _matmul(lowering: Lowering, node: StepNode) -> list[Statement]:
    a, b = node.inputs
    a_shape, b_shape, shape = (lowering.shape(name) for name in (a, b, node.outputs[0]))
    if min(len(a_shape), len(b_shape)) < 2 or len(shape) > MOST_AXES:
        raise refuse(node, "multiplies vectors, or has too many axes")
    batches = shape[:-2]
    rows: Argument = Number(shape[-2]) if batches else lowering.leading(shape)
    sizes: list[Argument] = [lowering.leading(shape), *(Number(n) for n in batches[1:])] if batches else []
    room = MOST_AXES - 2
    filled = Braces((*sizes, *(Number(0) for _ in range(room - len(sizes)))))
    strides = []
    for operand in (a_shape, b_shape):
        of_batch = strides_of(operand[:-2], batches)
        strides.append(numbers([stride * operand[-2] * operand[-1] for stride in of_batch], room))
    counts = (rows, Number(shape[-1]), Number(a_shape[-1]), Number(len(batches)))
    fields = Fields("tfoa_matmul_shape", (*counts, filled, *strides))
    return [Call("tfoa_matmul", (fields, lowering.real(a), lowering.real(b), lowering.at(node.outputs[0])))]


def _conv(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, w = node.inputs[:2]
    bias = node.input(2)
    x_shape, y_shape = lowering.shape(x), lowering.shape(node.outputs[0])
    window = window_of(node, x_shape[2:], y_shape[2:], lowering.shape(w)[2:])
    counts = Number(node.int("group", 1)), Number(x_shape[1]), Number(y_shape[1])
    fields = Fields("tfoa_conv_shape", (window, lowering.rows_of(x), *counts))
    operands = lowering.real(x), lowering.real(w), lowering.real(bias) if bias else NULL
    return [Call("tfoa_conv", (fields, *operands, lowering.at(node.outputs[0])))]


def _pool(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    if len([name for name in node.outputs if name]) > 1:
        raise refuse(node, "gives places as well as values")
    x_shape, y_shape = lowering.shape(x), lowering.shape(y)
    window = Fields("tfoa_window", window_of(node, x_shape[2:], y_shape[2:], node.ints("kernel_shape", ())).values)
    planes = lowering.leading(x_shape, x_shape[1])
    if node.op_type == "MaxPool":
        return [Call("tfoa_max_pool", (window, planes, lowering.real(x), lowering.at(y)))]
    includes_pad = Number(node.int("count_include_pad", 0))
    return [Call("tfoa_average_pool", (window, planes, includes_pad, lowering.real(x), lowering.at(y)))]


def _global_average_pool(lowering: Lowering, node: StepNode) -> list[Statement]:
    shape = lowering.shape(node.inputs[0])
    sizes = lowering.leading(shape, shape[1]), Number(math.prod(shape[2:]))
    return [Call("tfoa_global_average_pool", (*sizes, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _transpose(lowering: Lowering, node: StepNode) -> list[Statement]:
    shape = lowering.shape(node.inputs[0])
    perm = node.ints("perm", tuple(range(len(shape)))[::-1])
    if len(shape) > MOST_AXES:
        raise refuse(node, f"has {len(shape)} axes, more than {MOST_AXES}")
    sizes = sizes_of(lowering, shape)
    fields = Fields("tfoa_transpose_shape", (Number(len(shape)), sizes, numbers(perm, MOST_AXES)))
    return [Call("tfoa_transpose", (fields, lowering.real(node.inputs[0]), lowering.at(node.outputs[0])))]


def _reduce_mean(lowering: Lowering, node: StepNode) -> list[Statement]:
    """A mean over all positions, as exporters write global average pooling."""
    rank = len(lowering.shape(node.inputs[0]))
    axes = lowering.whole_numbers(node.input(1)) or node.ints("axes", ())
    if sorted(axis % rank for axis in axes) != list(range(2, rank)):
        raise refuse(node, "takes the mean over other axes than all positions, axes 2 and up")
    return _global_average_pool(lowering, node)


def _batch_normalization(lowering: Lowering, node: StepNode) -> list[Statement]:
    if node.inputs[3] in lowering.statistics:
        return running_normalization(lowering, node)
    x, y = node.inputs[0], node.outputs[0]
    by = Fields("tfoa_normalization", (*map(lowering.real, node.inputs[1:5]), Real(node.float("epsilon", 1e-5))))
    return [Call("tfoa_batch_normalization", (lowering.channel_fields(x), by, lowering.real(x), lowering.at(y)))]


def _lrn(lowering: Lowering, node: StepNode) -> list[Statement]:
    x, y = node.inputs[0], node.outputs[0]
    return [Call("tfoa_lrn", (lrn_shape(lowering, node, x), lowering.real(x), lowering.at(y)))]


STANDARD_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"), _view),
    **STRIDED_RULES,
    "Relu": _unary("tfoa_relu"),
    "LeakyRelu": _unary("tfoa_leaky_relu", alpha=0.01),
    "HardSigmoid": _unary("tfoa_hard_sigmoid", alpha=0.2, beta=0.5),
    "HardSwish": _unary("tfoa_hard_swish"),
    "Sigmoid": _unary("tfoa_sigmoid"),
    "Tanh": _unary("tfoa_tanh"),
    "Neg": _unary("tfoa_neg"),
    "Clip": _clip,
    "Softmax": _softmax,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Conv": _conv,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _global_average_pool,
    "ReduceMean": _reduce_mean,
    "BatchNormalization": _batch_normalization,
    "LRN": _lrn,
    "Transpose": _transpose,
}
