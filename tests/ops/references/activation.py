"""Binary activations: h = s 1[z > 0], and levels of s, of which h is the one that z is nearest to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["binary_activation", "binary_to_real", "follow_scale", "level_activation", "level_of", "pass_mask"]


def binary_activation(z: Array, scale: Array, *, momentum: float = 0.99, window_floor: float = 0.0) -> tuple[Array, ...]:
    h = (z > 0).astype(np.uint8)
    window = ((z > window_floor) & (z < 1)).astype(np.uint8)
    return h, *follow_scale(z, scale, momentum=momentum), window


def follow_scale(z: Array, scale: Array, *, momentum: float = 0.99) -> tuple[Array, ...]:
    return (np.asarray(momentum * np.float64(scale) + (1 - momentum) * np.abs(z.astype(np.float64)).mean()),)


def level_of(z: Array, scale: Array) -> tuple[Array, ...]:
    # A half is rounded down, as ceil(a - 1/2) does.
    return (np.clip(np.ceil(z.astype(np.float64) / np.float64(scale) - 0.5), 0, 3).astype(np.uint8),)


def level_activation(z: Array, scale: Array, *, window_floor: float = -0.5) -> tuple[Array, ...]:
    steps = z.astype(np.float64) / np.float64(scale)
    return *level_of(z, scale), ((steps > window_floor) & (steps < 3.5)).astype(np.uint8)


def pass_mask(y: Array, **bounds: float) -> tuple[Array, ...]:
    return (((y > bounds["min"]) & (y < bounds["max"])).astype(np.uint8),)


def binary_to_real(h: Array, scale: Array) -> tuple[Array, ...]:
    return (h * np.float64(scale),)
