"""Products of dense layers: z = alpha s (x . sign(W)^T) + b, and z = x . W^T + b without binarization.

The gradient of their input is (alpha delta_z) . sign(W), and delta_z . W without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["add_bias", "binary_dense", "dense_input_grad", "multiply_signs", "real_dense", "scale_errors", "scale_sums"]


def add_bias(x: Array, w: Array, *, bias_shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Biases as weights (1, biases), which lie beside a sample in ``bias_shape``."""
    return (x.astype(np.float64) + w.astype(np.float64).reshape(bias_shape),)


def whole(w: Array, w_slice: Array | None, origin: Array | None) -> Array:
    """The layer's weights with the active slice in its place."""
    full = np.array(w, dtype=np.float64)
    if w_slice is not None and origin is not None:
        i, j = int(origin[0]), int(origin[1])
        full[i : i + w_slice.shape[0], j : j + w_slice.shape[1]] = w_slice
    return full


def whole_row(row: Array, part: Array | None, origin: Array | None) -> Array:
    """A vector over all outputs: the active slice's part is added, where one is apart."""
    full = np.array(row, dtype=np.float64)
    if part is not None and origin is not None:
        j = int(origin[1])
        full[j : j + len(part)] += part
    return full


def mean_magnitude(abs_sum: Array, fan_in: int, alpha: str) -> Array:
    """alpha = mean |W| of each output, or of the whole tensor."""
    rows = abs_sum / fan_in
    return np.asarray(rows if alpha == "row" else rows.mean())


def real_dense(
    x: Array, w: Array, bias: Array, w_slice: Array | None = None, bias_slice: Array | None = None, origin: Array | None = None,
    *_: Array | None, **__: object,
) -> tuple[Array, ...]:  # fmt: skip
    product = x.astype(np.float64) @ whole(w, w_slice, origin)
    return (product + whole_row(bias, bias_slice, origin),)


def binary_dense(
    x: Array, w: Array, bias: Array, w_slice: Array | None, bias_slice: Array | None, origin: Array | None, abs_sum: Array,
    abs_sum_slice: Array | None = None, x_scale: Array | None = None, *, alpha: str = "row",
) -> tuple[Array, ...]:  # fmt: skip
    scale = 1.0 if x_scale is None else float(x_scale)
    factor = mean_magnitude(whole_row(abs_sum, abs_sum_slice, origin), len(w), alpha)
    product = x.astype(np.float64) @ whole(w, w_slice, origin)
    return (product * factor * scale + whole_row(bias, bias_slice, origin),)


def scale_errors(errors: Array, w: Array, abs_sum: Array, *, alpha: str = "row") -> tuple[Array, ...]:
    """Of any layer; a locally connected one has a sum for each location and output."""
    rows = mean_magnitude(abs_sum.astype(np.float64), w.size // abs_sum.size, alpha)
    factor = np.broadcast_to(rows, abs_sum.shape).T.reshape(errors.shape[1], -1)
    return ((errors.reshape(*errors.shape[:2], -1) * factor).reshape(errors.shape),)


def scale_sums(sums: Array, w: Array, abs_sum: Array, x_scale: Array, bias: Array, *, alpha: str = "row") -> tuple[Array, ...]:
    factor = mean_magnitude(abs_sum.astype(np.float64), len(w), alpha)
    return (sums * factor * float(x_scale) + bias,)


def multiply_signs(errors: Array, signs: Array) -> tuple[Array, ...]:
    return (errors @ signs.astype(np.float64).T,)


def dense_input_grad(
    grad_z: Array, w: Array, w_slice: Array | None = None, origin: Array | None = None, abs_sum: Array | None = None,
    abs_sum_slice: Array | None = None, *, alpha: str = "row", **_: object,
) -> tuple[Array, ...]:  # fmt: skip
    if abs_sum is not None:
        (grad_z,) = scale_errors(grad_z, w, whole_row(abs_sum, abs_sum_slice, origin), alpha=alpha)
    return (grad_z @ whole(w, w_slice, origin).T,)
