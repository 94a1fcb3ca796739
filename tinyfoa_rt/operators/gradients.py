"""Vector-Jacobian products of the standard operators a block may own, one row each.

Each takes the gradient of the operator's output (all channels, or those of the active slice, the first of which ``origin``
tells) and what it saved from the forward pass. In a flattened value a channel takes ``channel_size`` columns.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.geometry import POOL_ATTRIBUTES, known, same_as_first
from tinyfoa_rt.operators.row import Memory, Operator, Port, Types

__all__ = ["gradient_rows"]

_MAX_WINDOW = (*POOL_ATTRIBUTES, "ceil_mode", "input_shape")
_MEAN_WINDOW = (*POOL_ATTRIBUTES, "overhang", "unreached", "count_include_pad", "input_shape")

_SIZE = "channel_size"
_FROM_OUTPUT = {
    "ReluGrad": ("1[y > 0]", (_SIZE,)),
    "ClipGrad": ("1[min < y < max]", ("min", "max", _SIZE)),
    "LeakyReluGrad": ("1 where y > 0, else alpha", ("alpha", _SIZE)),
    "SigmoidGrad": ("y (1 - y)", (_SIZE,)),
    "TanhGrad": ("1 - y^2", (_SIZE,)),
    "HardSigmoidGrad": ("alpha where 0 < y < 1", ("alpha", _SIZE)),
    "SoftmaxGrad": ("y (grad_y - sum grad_y y)", ("axis",)),
}


def gradient_rows() -> tuple[Operator, ...]:
    elementwise = tuple(
        _row(name, "y", f"grad_x = grad_y * ({factor}).", names) for name, (factor, names) in _FROM_OUTPUT.items()
    )
    return (
        *elementwise,
        _row("HardSwishGrad", "x", "grad_x = grad_y * (0 for x < -3, 1 for x > 3, else (2 x + 3) / 6).", (_SIZE,)),
        Operator(
            name="ChannelScaleGrad",
            inputs=(Port("grad_y"), Port("factor"), Port("origin", is_optional=True)),
            outputs=(Port("grad_x"),),
            shape_rule=same_as_first,
            doc="grad_x = grad_y * factor^exponent a channel: a multiplication by a constant, or a division (exponent -1).",
            memory=Memory(reuses={0: (0,)}),
            attributes=("exponent", _SIZE),
        ),
        Operator(
            name="BatchNormalizationGrad",
            inputs=(Port("grad_y"), Port("gain"), Port("variance"), Port("origin", is_optional=True)),
            outputs=(Port("grad_x"),),
            shape_rule=same_as_first,
            doc="grad_x = grad_y * gain / sqrt(variance + epsilon): the running statistics are taken as constants.",
            memory=Memory(reuses={0: (0,)}),
            attributes=("epsilon", _SIZE),
        ),
        _window_row("MaxPoolGrad", ("x", "y"), "The gradient goes to the first largest element of each window.", _MAX_WINDOW),
        _window_row("AveragePoolGrad", (), "The gradient is shared evenly by the window.", _MEAN_WINDOW),
        _window_row("GlobalAveragePoolGrad", (), "The gradient is shared evenly by all positions.", ("input_shape",)),
        Operator(
            name="LRNGrad",
            inputs=(Port("grad_y"), Port("x"), Port("y")),
            outputs=(Port("grad_x"),),
            shape_rule=same_as_first,
            doc="Gradient of local response normalization across channels.",
            attributes=("alpha", "beta", "bias", "size"),
        ),
    )


def _row(name: str, saved: str, doc: str, attributes: tuple[str, ...]) -> Operator:
    return Operator(
        name=name,
        inputs=(Port("grad_y"), Port(saved), Port("origin", is_optional=True)),
        outputs=(Port("grad_x"),),
        shape_rule=same_as_first,
        doc=doc,
        memory=Memory(reuses={0: (0,)}),
        attributes=attributes,
    )


def _window_row(name: str, saved: tuple[str, ...], doc: str, attributes: tuple[str, ...]) -> Operator:
    return Operator(
        name=name,
        inputs=(Port("grad_y"), *(Port(port) for port in saved), Port("origin", is_optional=True)),
        outputs=(Port("grad_x"),),
        shape_rule=_input_shape,
        doc=doc,
        attributes=attributes,
    )


def _input_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    shape = attributes["input_shape"]
    assert isinstance(shape, tuple)
    return (TensorType(known(inputs[0]).dtype, tuple(int(length) for length in shape)),)
