"""Gradients of a slice (i, j): delta_W = delta_z(j)^T h_prev(i), and its bias."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.ops.references.integers import move_integers

Array = NDArray[Any]

__all__ = [
    "bias_grad", "bias_slice_grad", "center_input", "dense_sgd_step", "dense_sgd_step_on_integers", "dense_slice_grad",
    "inputs_of", "rows_of",
]  # fmt: skip


def rows_of(grad_z: Array, origin: Array, has_all_rows: int) -> Array:
    """The errors of the slice's outputs: ``grad_z`` holds those alone, or those of all outputs."""
    _, first, _, count = (int(x) for x in origin)
    rows = grad_z[:, first : first + count] if has_all_rows else grad_z[:, :count]
    return rows.astype(np.float64)


def center_input(x: Array, *, input_center: float = 0.0) -> tuple[Array, ...]:
    """Bits as real numbers, less the center."""
    return (x.astype(np.float64) - input_center,)


def inputs_of(x: Array, x_scale: Array, origin: Array, input_center: float) -> Array:
    """The slice's inputs, as real numbers."""
    first, _, count, _ = (int(x) for x in origin)
    return center_input(x[:, first : first + count], input_center=input_center)[0] * float(x_scale)


def dense_slice_grad(
    grad_z: Array, x: Array, x_scale: Array, origin: Array, *, has_all_rows: int = 0, input_center: float = 0.0, **_: object
) -> tuple[Array, ...]:
    rows = rows_of(grad_z, origin, has_all_rows)
    return inputs_of(x, x_scale, origin, input_center).T @ rows, rows.sum(axis=0)


def bias_slice_grad(grad_z: Array, origin: Array, *, has_all_rows: int = 0, **_: object) -> tuple[Array, ...]:
    return (rows_of(grad_z, origin, has_all_rows).sum(axis=0),)


def bias_grad(grad_z: Array, *, slice_shape: tuple[int, ...], split: tuple[int, ...]) -> tuple[Array, ...]:
    """Of biases that alone are trained: the errors of a sample are (biases, positions)."""
    _, biases, positions = split
    return (np.einsum("nbp->b", grad_z.astype(np.float64).reshape(len(grad_z), biases, positions)).reshape(slice_shape),)


def dense_sgd_step(
    w: Array, grad_z: Array, x: Array, x_scale: Array, rate: Array, origin: Array, *, has_all_rows: int = 0,
    input_center: float = 0.0, limit: float = 1.0,
) -> tuple[Array, ...]:  # fmt: skip
    grad = inputs_of(x, x_scale, origin, input_center).T @ rows_of(grad_z, origin, has_all_rows)
    return (np.clip(w - float(rate) * grad, -limit, limit),)


def dense_sgd_step_on_integers(
    w: Array, grad_z: Array, x: Array, x_scale: Array, rate: Array, quantum: Array, step: Array, origin: Array, *,
    has_all_rows: int = 0, input_center: float = 0.0, **rounding: int,
) -> tuple[Array, ...]:  # fmt: skip
    grad = inputs_of(x, x_scale, origin, input_center).T @ rows_of(grad_z, origin, has_all_rows)
    return move_integers(w, (grad * (float(rate) / float(quantum))).astype(np.float32), step, **rounding)
