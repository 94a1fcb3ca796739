"""What the bodies of operators share: parts of tensors, and real numbers as two bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = [
    "join_sixteen_bits", "place_columns", "slice_columns", "split_columns", "split_origin", "split_part", "split_rows",
    "split_sixteen_bits",
]  # fmt: skip


def split_origin(origin: Array) -> tuple[Array, ...]:
    return origin[:1].astype(np.int64), origin[1:2].astype(np.int64)


def split_part(origin: Array) -> tuple[Array, ...]:
    return tuple(origin[i : i + 1].astype(np.int64) for i in range(4))


def slice_columns(x: Array, start: Array, length: Array) -> tuple[Array, ...]:
    return (x[:, int(start[0]) : int(start[0]) + int(length[0])],)


def place_columns(whole: Array, part: Array, start: Array) -> tuple[Array, ...]:
    """``part`` is added to the columns of ``whole`` from ``start`` on."""
    result = whole.copy()
    result[..., int(start[0]) : int(start[0]) + part.shape[-1]] += part
    return (result,)


def split_rows(x: Array, shape: Sequence[int]) -> tuple[Array, ...]:
    return (np.stack(np.split(x, shape[0])),)


def split_columns(x: Array, shape: Sequence[int]) -> tuple[Array, ...]:
    return (np.stack([part.T for part in np.split(x, shape[0], axis=1)]),)


def split_sixteen_bits(x: Array) -> tuple[Array, ...]:
    """x = step * (256 (high - 128) + low - 128) to half a step; each sample's step is such that 127 of the high byte suffice.

    In float32 like the bodies, where a number half way between two levels goes to the same side.
    """
    rows = x.reshape(len(x), -1)
    largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.float32(1e-30))
    row_step = (largest / np.float32(32512)).astype(np.float32)
    step = row_step.reshape(-1, *[1] * (x.ndim - 1))
    coarse_step = step * np.float32(256)
    high = np.clip(np.rint(x / coarse_step), -128, 127)
    rest = x - high.astype(np.float32) * coarse_step
    low = np.clip(np.rint(rest / step), -128, 127)
    middle = np.array(128, dtype=np.uint8)
    return (high + 128).astype(np.uint8), (low + 128).astype(np.uint8), row_step, middle


def join_sixteen_bits(high_sums: Array, low_sums: Array, step: Array) -> tuple[Array, ...]:
    return ((high_sums.astype(np.float64) + low_sums) * step,)
