"""The products of a trained layer: dense, convolution and locally connected, each in three precisions.

With sign(0) = +1, alpha = mean |W| over a row (or the tensor) and s the scale of a binary input (design, section 2)::

    Real    z = x . W^T + b                                              x real, or bits without a scale
    Sign    z = alpha * (x . sign(W)^T) + b                              real input, binary weights
    Binary  z = alpha * s * (2 popcount(x & w) - popcount(x)) + b         binary input, binary weights, s = 1 if it has none

alpha is the mean of each output's row, or of all of them where the attribute ``alpha`` is ``tensor``.

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

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.geometry import POOL_ATTRIBUTES, known, spatial_shape
from tinyfoa_rt.operators.kernel_scratch import quantized_sample, quantized_samples
from tinyfoa_rt.operators.row import Memory, Operator, Port, ShapeRule, Types, no_scratch

__all__ = ["LOCAL_ATTRIBUTES", "PRECISIONS", "WINDOW_ATTRIBUTES", "product_rows"]

PRECISIONS = ("Real", "Sign", "Binary")
# What these quantize for their C kernels; the others read their input as it is.
_SCRATCH = {"SignDense": quantized_samples, "SignConv": quantized_sample}
WINDOW_ATTRIBUTES = (*POOL_ATTRIBUTES, "group")
LOCAL_ATTRIBUTES = ("kernel_shape", "strides", "pads")


def product_rows() -> tuple[Operator, ...]:
    """Return the nine rows: {Real, Sign, Binary} x {Dense, Conv, LocallyConnected}."""
    geometries: tuple[tuple[str, ShapeRule, tuple[str, ...]], ...] = (
        ("Dense", _dense_shape, ("alpha",)),
        ("Conv", _conv_shape, ("alpha", *WINDOW_ATTRIBUTES)),
        ("LocallyConnected", _local_shape, ("alpha", *LOCAL_ATTRIBUTES)),
    )
    return tuple(
        Operator(
            name=precision + geometry,
            inputs=_ports(precision),
            outputs=(Port("z"),),
            shape_rule=shape_rule,
            doc=f"{geometry} product, {precision.lower()} precision, with the active slice kept apart.",
            memory=Memory(scratch=_SCRATCH.get(precision + geometry, no_scratch)),
            attributes=attributes,
        )
        for geometry, shape_rule, attributes in geometries
        for precision in PRECISIONS
    )


def _ports(precision: str) -> tuple[Port, ...]:
    has_alpha = precision != "Real"
    return (
        Port("x"),
        Port("w"),
        Port("bias", is_optional=True),
        Port("w_slice", is_optional=True),
        Port("bias_slice", is_optional=True),
        Port("origin", is_optional=True),
        Port("abs_sum", is_optional=not has_alpha),
        Port("abs_sum_slice", is_optional=True),
        Port("x_scale", is_optional=True),
    )


def _dense_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    x, w = known(inputs[0]), known(inputs[1])
    return (TensorType("float32", (*x.shape[:-1], w.size // x.shape[-1])),)


def _conv_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    x, w = known(inputs[0]), known(inputs[1])
    kernel, group = attributes["kernel_shape"], attributes["group"]
    assert isinstance(kernel, tuple) and isinstance(group, int)
    outputs = w.size * group // (x.shape[1] * math.prod(int(length) for length in kernel))
    return (TensorType("float32", (x.shape[0], outputs, *spatial_shape(x.shape[2:], attributes))),)


def _local_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    x, w = known(inputs[0]), known(inputs[1])
    size = spatial_shape(x.shape[2:], attributes)
    outputs = w.shape[2] if len(w.shape) == 3 else w.shape[0] // math.prod(size)
    return (TensorType("float32", (x.shape[0], outputs, *size)),)
