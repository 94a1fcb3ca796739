"""Latent weights that are whole numbers: words of 32 bits as the docs say (docs/training.md), and what they round."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["dequantize", "draw_uniform", "mix_bits", "move_integers", "pack_signs_of_integers"]


def mix_bits(x: Array) -> tuple[Array, ...]:
    """Products of uint32 wrap around."""
    x = x.astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97)
    return (x ^ (x >> np.uint32(15)),)


def draw_uniform(w: Array, step: Array, *, key: int = 0, taps: int = 1) -> tuple[Array, ...]:
    """Of weights that lie ([positions], taps x inputs, outputs), places count positions, outputs, inputs and taps."""
    rows, columns = w.shape[-2:]
    places = np.arange(w.size, dtype=np.uint32).reshape(-1, columns, rows // taps, taps).transpose(0, 3, 2, 1)
    with np.errstate(over="ignore"):
        (of_step,) = mix_bits(np.array(key % 2**32, np.uint32) + np.array(int(step) % 2**32, np.uint32) * np.uint32(0x2C9277B5))
        (words,) = mix_bits(of_step + places.reshape(w.shape) * np.uint32(0x5BD1E995))
    return ((words // np.uint32(256)).astype(np.float32) / np.float32(2**24),)


def move_integers(
    w: Array, change: Array, step: Array, *, key: int = 0, taps: int = 1, most: int = 127, dtype: int = 3
) -> tuple[Array, ...]:
    (u,) = draw_uniform(w, step, key=key, taps=taps)
    moves = np.floor(u - change)  # float32, as everywhere
    return (np.clip(w.astype(np.float64) + moves, -most, most).astype(w.dtype),)


def dequantize(q: Array, quantum: Array) -> tuple[Array, ...]:
    return (q * np.float64(quantum),)


def pack_signs_of_integers(w: Array, signs: Array, abs_sum: Array, quantum: Array, origin: Array | None) -> tuple[Array, ...]:
    """Inputs lie along the last axis but one."""
    return np.where(w >= 0, 1, -1).astype(np.int8), np.abs(w.astype(np.int64)).sum(axis=-2) * np.float64(quantum)
