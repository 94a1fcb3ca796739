"""Gradients of element-by-element operators and of scales by constants: grad_x = grad_y * factor, from what was saved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = [
    "batch_normalization_grad", "channel_scale_grad", "clip_grad", "hard_sigmoid_grad", "hard_swish_grad", "leaky_relu_grad",
    "relu_grad", "saved_channels", "sigmoid_grad", "softmax_grad", "straight_through_grad", "tanh_grad",
]  # fmt: skip


def saved_channels(saved: Array, grad: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    """What was saved, of the channels that ``grad`` is about."""
    first = int(origin[1]) * channel_size
    return (saved[:, first : first + grad.shape[1]],)


def _part(saved: Array, grad: Array, origin: Array, channel_size: int) -> Array:
    (part,) = saved_channels(saved, grad, origin, channel_size=channel_size)
    return part.astype(np.float64)


def straight_through_grad(grad_h: Array, window: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    return (grad_h * _part(window, grad_h, origin, channel_size),)


def relu_grad(grad_y: Array, y: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    return (grad_y.astype(np.float64) * (_part(y, grad_y, origin, channel_size) > 0),)


def clip_grad(
    grad_y: Array, y: Array, origin: Array, *, min: float = -np.inf, max: float = np.inf, channel_size: int = 1
) -> tuple[Array, ...]:
    part = _part(y, grad_y, origin, channel_size)
    return (grad_y.astype(np.float64) * ((part > min) & (part < max)),)


def leaky_relu_grad(grad_y: Array, y: Array, origin: Array, *, alpha: float = 0.01, channel_size: int = 1) -> tuple[Array, ...]:
    return (grad_y * np.where(_part(y, grad_y, origin, channel_size) > 0, 1.0, alpha),)


def sigmoid_grad(grad_y: Array, y: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    part = _part(y, grad_y, origin, channel_size)
    return (grad_y * part * (1 - part),)


def tanh_grad(grad_y: Array, y: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    return (grad_y * (1 - _part(y, grad_y, origin, channel_size) ** 2),)


def hard_sigmoid_grad(grad_y: Array, y: Array, origin: Array, *, alpha: float = 0.2, channel_size: int = 1) -> tuple[Array, ...]:
    part = _part(y, grad_y, origin, channel_size)
    return (grad_y * np.where((part > 0) & (part < 1), alpha, 0.0),)


def hard_swish_grad(grad_y: Array, x: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    part = _part(x, grad_y, origin, channel_size)
    return (grad_y * np.select([part < -3, part > 3], [0.0, 1.0], (2 * part + 3) / 6),)


def softmax_grad(grad_y: Array, y: Array, origin: Array, *, axis: int = -1) -> tuple[Array, ...]:
    """Through the whole matrix of derivatives, dy_i / dx_j = y_i (1[i = j] - y_j)."""
    rows, grads = np.moveaxis(y.astype(np.float64), axis, -1), np.moveaxis(grad_y.astype(np.float64), axis, -1)
    jacobian = rows[..., :, None] * (np.eye(rows.shape[-1]) - rows[..., None, :])
    return (np.moveaxis(np.einsum("...ij,...i->...j", jacobian, grads), -1, axis),)


def channel_scale_grad(
    grad_y: Array, factor: Array, origin: Array, *, exponent: float = 1.0, channel_size: int = 1
) -> tuple[Array, ...]:
    return (grad_y * _part(factor, grad_y, origin, channel_size) ** exponent,)


def batch_normalization_grad(
    grad_y: Array, gain: Array, variance: Array, origin: Array, *, epsilon: float = 1e-5, channel_size: int = 1
) -> tuple[Array, ...]:
    factors = gain.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    part = _part(factors[None], grad_y, origin, channel_size)
    return (grad_y * part.reshape(-1, *[1] * (grad_y.ndim - 2)),)
