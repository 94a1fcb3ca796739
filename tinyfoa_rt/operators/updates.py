"""Slice gradients and optimizers (design, section 2)::

    delta_W(i, j) = delta_z(j)^T h_prev(i) * 1[|W(i, j)| <= 1]           DenseSliceGrad, ConvSliceGrad, ...
    W(i, j) <- clip(W(i, j) - optimizer(delta_W(i, j)), -1, 1)           the updates of ir/optimizers.py
    w(i, j) = sign(W(i, j)), sum |W| a row                               PackSigns

With ``input_center`` c the gradient takes h_prev - c in place of bits: sum_b delta_z (h_prev - c). Bits are never negative, so
without it every sample moves a weight the way its output's error points (docs/training.md).

Where parameter and state are whole matrices of which a slice is updated, ``origin`` says where the slice begins. The state of
an optimizer belongs to the slice, its step count too. Biases and stored heads use the same updates without the
clip (``limit`` is the largest float).
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.optimizers import OPTIMIZERS, Optimizer
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.geometry import known, num_scalars
from tinyfoa_rt.operators.products import LOCAL_ATTRIBUTES, WINDOW_ATTRIBUTES
from tinyfoa_rt.operators.row import Memory, Operator, Port, Types

__all__ = ["LARGEST", "update_operator", "update_rows"]

# Of how many groups a slice has outputs at most, and how many outputs a group has: what the gradient of a slice computes.
_CONV_ATTRIBUTES = (*WINDOW_ATTRIBUTES, "group_outputs", "slice_groups")
# A limit that clips nothing.
LARGEST = 3.4028234663852886e38


def update_rows() -> tuple[Operator, ...]:
    gradients = tuple(
        Operator(
            name=f"{geometry}SliceGrad",
            inputs=(Port("grad_z"), Port("x"), Port("x_scale", is_optional=True), Port("origin", is_optional=True)),
            outputs=(Port("grad_w"), Port("grad_bias", is_optional=True)),
            shape_rule=_slice_grad_shapes,
            doc="Gradient of the active slice of a weight matrix, and of its bias.",
            memory=Memory(streams=frozenset({0, 1})),
            attributes=("slice_shape", "bias_size", "has_all_rows", "input_center", *window),
        )
        for geometry, window in (("Dense", ()), ("Conv", _CONV_ATTRIBUTES), ("LocallyConnected", LOCAL_ATTRIBUTES))
    )
    return (
        *gradients,
        _bias_row(),
        _sgd_step_row(),
        *map(update_operator, OPTIMIZERS.values()),
        _pack_row(),
    )


def _bias_row() -> Operator:
    return Operator(
        name="BiasSliceGrad",
        inputs=(Port("grad_z"), Port("origin", is_optional=True)),
        outputs=(Port("grad_bias"),),
        shape_rule=lambda inputs, attributes: (num_scalars(int(attributes["bias_size"])),),  # type: ignore[arg-type]
        doc="Gradient of the biases of the active slice.",
        memory=Memory(streams=frozenset({0})),
        attributes=("bias_size", "has_all_rows"),
    )


def _sgd_step_row() -> Operator:
    ports = (Port("w"), Port("grad_z"), Port("x"), Port("x_scale", is_optional=True), Port("rate"))
    return Operator(
        name="DenseSgdStep",
        inputs=(*ports, Port("origin", is_optional=True)),
        outputs=(Port("w_next"),),
        shape_rule=lambda inputs, attributes: (known(inputs[0]),),
        doc="DenseSliceGrad and SgdUpdate in one, so that the gradient is never stored.",
        memory=Memory(updates={0: 0}),
        attributes=("has_all_rows", "input_center", "limit"),
    )


def update_operator(optimizer: Optimizer) -> Operator:
    """Return the operator that takes a step of ``optimizer``."""
    kept = optimizer.kept
    return Operator(
        name=optimizer.update,
        inputs=(Port("w"), Port("grad"), Port("rate"), *(Port(state) for state in kept), Port("origin", is_optional=True)),
        outputs=(Port("w_next"), *(Port(f"{state}_next") for state in kept)),
        shape_rule=lambda inputs, attributes: (known(inputs[0]), *(known(state) for state in inputs[3 : 3 + len(kept)])),
        doc=f"One {optimizer.name} step on a slice, in place; the result is clipped to [-limit, limit].",
        memory=Memory(updates={0: 0, **{1 + i: 3 + i for i in range(len(kept))}}),
        attributes=("limit",),
    )


def _pack_row() -> Operator:
    return Operator(
        name="PackSigns",
        inputs=(Port("w"), Port("signs"), Port("abs_sum"), Port("origin", is_optional=True)),
        outputs=(Port("signs_next"), Port("abs_sum_next")),
        shape_rule=lambda inputs, attributes: (known(inputs[1]), known(inputs[2])),
        doc="signs = sign(w) with sign(0) = +1, and abs_sum = sum |w| of each output, both of what is given.",
        memory=Memory(updates={0: 1, 1: 2}),
    )


def _slice_grad_shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    shape, bias_size = attributes["slice_shape"], attributes["bias_size"]
    assert isinstance(shape, tuple) and isinstance(bias_size, int)
    return TensorType("float32", tuple(int(length) for length in shape)), num_scalars(bias_size)
