"""The products of a trained layer: dense, convolution and locally connected, each in three precisions.

With sign(0) = +1, alpha = mean |W| over a row (or the tensor) and s the scale of a binary input (design, section 2)::

    Real    z = x . W^T + b                                              x real, or bits without a scale
    Sign    z = alpha * (x . sign(W)^T) + b                              real input, binary weights
    Binary  z = alpha * s * (2 popcount(x & w) - popcount(x)) + b         binary input, binary weights, s = 1 if it has none

    delta_W(i, j) = delta_z(j)^T h_prev(i) * 1[|W(i, j)| <= 1]           DenseSliceGrad, ConvSliceGrad, ...
    delta_x = delta_z . W,  or  (alpha * delta_z) . sign(W)              RealDenseInputGrad, SignDenseInputGrad, ...

alpha is the mean of each output's row, or of all of them where the attribute ``alpha`` is ``tensor``. With ``input_center`` c
the gradient takes h_prev - c in place of bits: sum_b delta_z (h_prev - c). Bits are never negative, so without it every sample
moves a weight the way its output's error points (docs/training.md).

The active slice is kept apart in RAM: where ``w_slice`` is given, it stands for the part of ``w`` at ``origin`` (first input,
first output, number of inputs and of outputs), and ``bias_slice`` for that of ``bias``. ``abs_sum`` holds sum |W| of each
output, which alpha is computed from; with a slice apart it leaves that slice out, and ``abs_sum_slice`` has the slice's own.

Weights are matrices. Packed, they have one row an output feature (and position, where locally connected), so that a product is
AND and popcount along a row. Unpacked weights of a dense layer have one column an output feature, as MatMul wants them, and
hold zeros where the slice is apart, so that a body adds two products. Unpacked weights of a locally connected layer are one such
matrix a position, (positions, taps x inputs, outputs): a row of a patch goes tap by tap, and input by input within a tap, so that
im2col copies whole runs of channels. Unpacked weights of a convolution are a matrix in that order too, (taps x inputs of a group,
outputs). Sums of locally connected layers are (positions, outputs); biases are (outputs x positions) everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.c_program import Argument, Call, Fields, Name, Number, Real, Statement
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.step import PLANES, StepNode, TensorType
from tinyfoa_rt.operators.geometry import num_scalars
from tinyfoa_rt.operators.lowering import CONTEXT, NULL, Lowering, LowerRule, StreamedGradient, scale_of
from tinyfoa_rt.operators.signature import Memory, Operator, Port, Types, no_scratch
from tinyfoa_rt.operators.vjp import GradientPass, refuse

__all__ = [
    "frozen_weight", "input_gradient_call", "input_gradient_row", "keep_gradient", "product_operand", "product_ports",
    "slice_gradient_row", "slice_shape",
]  # fmt: skip


def product_ports(precision: str) -> tuple[Port, ...]:
    """The inputs of a product of a precision: ``real``, ``sign`` or ``binary``."""
    return (
        Port("x"),
        Port("w"),
        Port("bias", is_optional=True),
        Port("w_slice", is_optional=True),
        Port("bias_slice", is_optional=True),
        Port("origin", is_optional=True),
        Port("abs_sum", is_optional=precision == "real"),
        Port("abs_sum_slice", is_optional=True),
        Port("x_scale", is_optional=True),
    )


def slice_gradient_row(name: str, window: tuple[str, ...], lower: LowerRule | None) -> Operator:
    """The row of the gradient of a slice; ``window`` are the attributes of its layer's window."""
    return Operator(
        name=name,
        inputs=(Port("grad_z"), Port("x"), Port("x_scale", is_optional=True), Port("origin", is_optional=True)),
        outputs=(Port("grad_w"), Port("grad_bias", is_optional=True)),
        shape_rule=_slice_gradient_shapes,
        scratch=no_scratch,
        doc="Gradient of the active slice of a weight matrix, and of its bias.",
        memory=Memory(streams=frozenset({0, 1})),
        attributes=("slice_shape", "bias_size", "has_all_rows", "input_center", *window),
        lower=lower,
    )


def input_gradient_row(name: str, precision: str, window: tuple[str, ...], lower: LowerRule | None) -> Operator:
    """The row of the gradient of a layer's input, of real or of sign weights; the active slice is read where it lies."""
    return Operator(
        name=name,
        inputs=(
            Port("grad_z"),
            Port("w"),
            Port("w_slice", is_optional=True),
            Port("origin", is_optional=True),
            Port("abs_sum", is_optional=precision == "real"),
            Port("abs_sum_slice", is_optional=True),
        ),
        outputs=(Port("grad_x"),),
        shape_rule=_input_gradient_shape,
        scratch=no_scratch,
        doc=f"Gradient of a layer's input by the error at its output, {precision} weights.",
        attributes=("alpha", "input_shape", *window),
        lower=lower,
    )


def input_gradient_call(lowering: Lowering, node: StepNode, kernel: str, over: Argument) -> list[Statement]:
    """The call of a gradient of a layer's input; ``over`` says how many rows of errors there are, or how a kernel moves."""
    given = (CONTEXT, lowering.layers[node.inputs[1]], over, lowering.errors(node.inputs[0]), lowering.at(node.outputs[0]))
    return [Call(kernel, given, may_fail=True)]


def _input_gradient_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    shape = attributes["input_shape"]
    assert isinstance(shape, tuple)
    return (TensorType("float32", tuple(int(length) for length in shape)),)


def _slice_gradient_shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    bias_size = attributes["bias_size"]
    assert isinstance(bias_size, int)
    return slice_shape(attributes), num_scalars(bias_size)


def slice_shape(attributes: Mapping[str, Attribute]) -> TensorType:
    """The type of the gradient of a slice."""
    shape = attributes["slice_shape"]
    assert isinstance(shape, tuple)
    return TensorType("float32", tuple(int(length) for length in shape))


def product_operand(
    lowering: Lowering, given: tuple[str, str], center: float, conv: tuple[Argument, Argument] = (NULL, NULL)
) -> tuple[list[Statement], Fields]:
    """What a layer multiplies: bits or levels with their scale, or real numbers; ``given`` are their tensor and the scale's."""
    x, x_scale = given
    units, dtype = Number(lowering.columns(x)), lowering.type_of(x).dtype
    if dtype == "level" and conv == (NULL, NULL):
        conv = NULL, Name("tfoa_level_weight_gradient")
    if dtype not in PLANES:
        return [], Fields("tfoa_operand", (NULL, lowering.real(x), units, Real(1.0), Real(0.0), *conv))
    load, scale = scale_of(lowering, x_scale)
    return load, Fields("tfoa_operand", (lowering.at(x, "const uint32_t"), NULL, units, scale, Real(center), *conv))


def keep_gradient(lowering: Lowering, node: StepNode, conv: tuple[Argument, Argument] = (NULL, NULL)) -> list[Statement]:
    """Make no call of the gradient of a slice: the updates that read it compute it as they go."""
    given = node.inputs[1], node.input(2)

    def operand() -> tuple[list[Statement], Fields]:
        return product_operand(lowering, given, node.float("input_center", 0.0), conv)

    for name in node.outputs:
        lowering.gradients[name] = StreamedGradient(node, operand)
    return []


def frozen_weight(backward: GradientPass, node: Node) -> str:
    """Declare the constant weight of a product that stays as it is, through which a gradient passes to its input.

    Raises:
        UnsupportedError: weight or bias is computed.
    """
    graph = backward.builder.graph
    for position, what in ((1, "weight"), (2, "bias")):
        if node.input(position) and not graph.is_constant(node.input(position)):
            raise refuse(node.name, f"its {what} is computed, not constant; but a trained block needs its gradient")
    return backward.builder.constant(node.inputs[1])
