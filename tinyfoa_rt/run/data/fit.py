"""Fits samples to a model's input where there is one way to do it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError

__all__ = ["fit_to_shape"]


def fit_to_shape(x: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return ``x`` (N, ...) as (N, *shape[1:]), a view where numpy can.

    1. Axes of length 1 come and go: (N, 28, 28) is (N, 1, 28, 28) and (N, 28, 28, 1).
    2. Anything may be flattened, in C order: (N, 3, 32, 32) to (N, 3072).
    3. Flat samples may become one plane: (N, 169) to (N, 1, 13, 13). Not several: their order is not known.
    4. Channels move from first to last and back where they are fewer than height and width: (N, 3, 32, 32) to (N, 32, 32, 3).

    Args:
        x: samples.
        shape: the model's input, the batch axis first (its length is not looked at).

    Raises:
        InputError: there is no such way; the message says both shapes.
    """
    have, want = x.shape[1:], tuple(shape[1:])
    if have == want:
        return x
    if x.ndim >= 1 and math.prod(have) == math.prod(want):
        if _reads_alike(_without_ones(have), _without_ones(want)):
            return x.reshape(len(x), *want)
        if len(have) == len(want) == 3 and min(have) > 1:
            moved = _move_channels(x, want)
            if moved is not None:
                return moved
    found, expected = _text(have), _text(want)
    raise InputError("data", f"samples have shape {found}, the model's input {expected}", f"reshape the samples to {expected}")


def _reads_alike(have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    """Whether C order is the meant order between two shapes of one size, without axes of length 1."""
    return have == want or len(want) <= 1 or (len(have) <= 1 and len(want) == 2)


def _move_channels(x: NDArray[Any], want: tuple[int, ...]) -> NDArray[Any] | None:
    channels, height, width = x.shape[1:]
    if want == (height, width, channels) and channels < min(height, width):
        return np.moveaxis(x, 1, 3)
    height, width, channels = x.shape[1:]
    if want == (channels, height, width) and channels < min(height, width):
        return np.moveaxis(x, 3, 1)
    return None


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _text(shape: tuple[int, ...]) -> str:
    return f"(N, {', '.join(map(str, shape))})" if shape else "(N,)"
