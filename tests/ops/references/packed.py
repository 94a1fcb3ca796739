"""Bits in rows of 32-bit words: bit i of a row is bit i % 32 of word i / 32, and what is left of the last word is zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["pack_bits", "pack_sign_rows", "unpack_bits", "unpack_head", "unpack_signs", "unpack_slice"]


def pack_bits(bits: Array) -> tuple[Array, ...]:
    rows, count = bits.shape
    words = np.zeros((rows, -(-count // 32)), dtype=np.uint32)
    for i in range(count):
        words[:, i // 32] |= bits[:, i].astype(np.uint32) << np.uint32(i % 32)
    return (words,)


def pack_sign_rows(signs: Array) -> tuple[Array, ...]:
    """A row an output: a column of signs."""
    return pack_bits((signs > 0).T)


def unpack_bits(words: Array, num_bits: Array) -> tuple[Array, ...]:
    places = np.arange(int(num_bits[0]))
    return ((words[:, places // 32] >> (places % 32).astype(np.uint32) & 1).astype(np.uint8),)


def unpack_head(words: Array, num_bits: Array) -> tuple[Array, ...]:
    (bits,) = unpack_bits(words, num_bits)
    return (np.where(bits == 1, 1, -1).astype(np.int8),)


def unpack_signs(words: Array, num_bits: Array) -> tuple[Array, ...]:
    return (unpack_head(words, num_bits)[0].T,)


def unpack_slice(words: Array, num_bits: Array) -> tuple[Array, ...]:
    """What a slice adds to a layer that holds -1 in its place: 2 where its sign is +1, else 0."""
    return (2 * unpack_bits(words, num_bits)[0].T.astype(np.int8),)
