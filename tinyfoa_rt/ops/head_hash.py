"""The hashed head: +1 and -1 from a counter, the same on every machine, so that a device needs to store nothing.

B(class, unit) = +1 where the top bit of mix(seed * A + class * C + unit * D) is set, else -1, in arithmetic modulo 2^32. ``mix``
multiplies between its shifts: shifts and xors alone are linear over GF(2), which makes every class row the same pattern up
to its sign, a head of rank 1. The multipliers are those of MurmurHash3's 32-bit finalizer (Appleby, public domain).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rademacher_head"]

_OF_SEED, _OF_CLASS, _OF_UNIT = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
_FIRST, _SECOND = 0x85EBCA6B, 0xC2B2AE35
_MASK = 0xFFFFFFFF


def rademacher_head(seed: int, num_outputs: int, num_units: int) -> NDArray[np.int8]:
    """Return B (num_outputs, num_units) of -1 and +1.

    Args:
        seed: any whole number; its low 32 bits count.
        num_outputs: classes.
        num_units: numbers that the head sees.
    """
    classes = np.arange(num_outputs, dtype=np.uint64)[:, None] * _OF_CLASS
    units = np.arange(num_units, dtype=np.uint64)[None, :] * _OF_UNIT
    x = ((seed & _MASK) * _OF_SEED + classes + units) & _MASK
    for shift, multiplier in ((16, _FIRST), (13, _SECOND)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(multiplier)) & np.uint64(_MASK)
    x ^= x >> np.uint64(16)
    return np.where(x >> np.uint64(31), 1, -1).astype(np.int8)
