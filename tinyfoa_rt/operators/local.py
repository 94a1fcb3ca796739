"""Locally connected layers, in three precisions (operators/products.py says what they compute); they have no C kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.geometry import known, spatial_shape
from tinyfoa_rt.operators.products import input_gradient_row, product_ports, slice_gradient_row
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Operator, Port, Types, no_scratch

__all__ = ["LOCAL_ATTRIBUTES"]

LOCAL_ATTRIBUTES = ("kernel_shape", "strides", "pads")


def _shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    x, w = known(inputs[0]), known(inputs[1])
    size = spatial_shape(x.shape[2:], attributes)
    outputs = w.shape[2] if len(w.shape) == 3 else w.shape[0] // math.prod(size)
    return (TensorType("float32", (x.shape[0], outputs, *size)),)


def _product(name: str, precision: str) -> Operator:
    return Operator(
        name=name,
        inputs=product_ports(precision),
        outputs=(Port("z"),),
        shape_rule=_shape,
        scratch=no_scratch,
        doc=f"LocallyConnected product, {precision} precision, with the active slice kept apart.",
        attributes=("alpha", *LOCAL_ATTRIBUTES),
    )


register(
    _product("RealLocallyConnected", "real"),
    _product("SignLocallyConnected", "sign"),
    _product("BinaryLocallyConnected", "binary"),
    slice_gradient_row("LocallyConnectedSliceGrad", LOCAL_ATTRIBUTES, None),
    input_gradient_row("RealLocallyConnectedInputGrad", "real", LOCAL_ATTRIBUTES, None),
    input_gradient_row("SignLocallyConnectedInputGrad", "sign", LOCAL_ATTRIBUTES, None),
)
