"""Binary activations: h = s 1[z > 0], and gradients through them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["binary_activation", "binary_to_real", "relu_grad", "straight_through_grad"]


def binary_activation(z: Array, scale: Array, *, momentum: float = 0.99, window_floor: float = 0.0) -> tuple[Array, ...]:
    h = (z > 0).astype(np.uint8)
    window = ((z > window_floor) & (z < 1)).astype(np.uint8)
    scale_next = momentum * np.float64(scale) + (1 - momentum) * np.abs(z.astype(np.float64)).mean()
    return h, np.asarray(scale_next), window


def binary_to_real(h: Array, scale: Array) -> tuple[Array, ...]:
    return (h * np.float64(scale),)


def straight_through_grad(grad_h: Array, window: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    return (grad_h.astype(np.float64) * _channels(window, grad_h, origin, channel_size),)


def relu_grad(grad_y: Array, y: Array, origin: Array, *, channel_size: int = 1) -> tuple[Array, ...]:
    return (grad_y.astype(np.float64) * (_channels(y, grad_y, origin, channel_size) > 0),)


def _channels(saved: Array, grad: Array, origin: Array, channel_size: int) -> Array:
    """What was saved, of the channels that ``grad`` is about."""
    first = int(origin[1]) * channel_size
    return saved[:, first : first + grad.shape[1]]
