"""Operands of the training kernels: structures as C declares them, and rows of bits in words."""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.packed_kernels import packed

Array = NDArray[Any]


class Operand(ctypes.Structure):
    _fields_ = [
        ("bits", c_void_p),
        ("real", c_void_p),
        ("units", c_int32),
        ("scale", c_float),
        ("center", c_float),
        ("conv", c_void_p),
        ("gradient", c_void_p),
    ]


class Slice(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("latent", "bias", "bits", "sums")),
        *((name, c_int32) for name in ("ins", "outs", "first_in", "first_out", "first_grad", "grad_columns")),
        ("limit", c_float),
        ("positions", c_int32),
    ]


def real(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.normal(0, 1, shape).astype(np.float32)


def bits(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(0, 2, shape).astype(np.uint8)


def level_words(levels: Array) -> NDArray[np.uint32]:
    """Rows of numbers from 0 to 3: of each the low bits, then the high ones."""
    return np.concatenate([words(levels & 1), words(levels >> 1)], axis=1)


def words(values: Array) -> NDArray[np.uint32]:
    return packed(values.astype(np.bool_), -(-values.shape[1] // 32))


def unpacked(rows: Array, units: int) -> Array:
    return np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, :units]
