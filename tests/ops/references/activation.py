"""Binary activations: h = s 1[z > 0]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["binary_activation", "binary_to_real", "pass_mask"]


def binary_activation(z: Array, scale: Array, *, momentum: float = 0.99, window_floor: float = 0.0) -> tuple[Array, ...]:
    h = (z > 0).astype(np.uint8)
    window = ((z > window_floor) & (z < 1)).astype(np.uint8)
    scale_next = momentum * np.float64(scale) + (1 - momentum) * np.abs(z.astype(np.float64)).mean()
    return h, np.asarray(scale_next), window


def pass_mask(y: Array, **bounds: float) -> tuple[Array, ...]:
    return (((y > bounds["min"]) & (y < bounds["max"])).astype(np.uint8),)


def binary_to_real(h: Array, scale: Array) -> tuple[Array, ...]:
    return (h * np.float64(scale),)
