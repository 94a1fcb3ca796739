"""Products of packed bits: their names, the flags of each variant, and operands."""

from __future__ import annotations

import ctypes
from ctypes import c_int32

import numpy as np
from numpy.typing import NDArray

VARIANT_FLAGS = {
    "plain": (),
    "swar": (),
    "avx2": ("-mavx2",),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512vpopcntdq", "-mavx512vnni"),
}
CPU_FLAGS = {"avx2": "avx2", "avx512": "avx512_vpopcntdq"}
NAMES = ("packed_dot", "packed_matmul", "signed_sum", "signed_matmul")


class PackedShape(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("batch", "outputs", "words", "x_stride", "w_stride")]


class SignedShape(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("batch", "outputs", "inputs", "q_stride", "w_stride")]


def signs_of(bits: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.where(bits, 1, -1)


def packed(bits: NDArray[np.bool_], stride: int) -> NDArray[np.uint32]:
    """Rows of bits as words, little end first; what lies between the rows is ones, which must not count."""
    rows, count = bits.shape
    words = np.full((rows, stride), 0xFFFFFFFF, np.uint32)
    padded = np.pad(bits, ((0, 0), (0, -count % 32)))
    words[:, : padded.shape[1] // 32] = np.packbits(padded, axis=1, bitorder="little").view("<u4")
    return words
