"""The hashed head: +1 and -1 from a counter, the same on every machine, so that a device needs to store nothing.

The entries of a unit, one a class, are drawn in pairs of opposite signs: a unit whose entries were all the same would get no
error, because the errors of the classes sum to zero. Classes c and c' are a pair where c + c' = pairing modulo the number of
classes, and the pairing is drawn for each unit. One class may be left over, where their number is odd; two are left over where
it is even and the pairing is too, and they are a pair.

The entry of the pair's first class is +1 where the top bit of mix(seed * A + class * C + unit * D) is set, in arithmetic modulo
2^32; the pairing is drawn from the counter of class -1. ``mix`` multiplies between its shifts: shifts and xors alone are linear
over GF(2), which makes every class row the same pattern up to its sign, a head of rank 1. The multipliers are those of
MurmurHash3's 32-bit finalizer (Appleby, public domain).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["rademacher_head"]

_OF_SEED, _OF_CLASS, _OF_UNIT = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
_FIRST, _SECOND = 0x85EBCA6B, 0xC2B2AE35
_MASK = 0xFFFFFFFF


def rademacher_head(seed: int, num_outputs: int, num_units: int) -> NDArray[np.int8]:
    """Return B (num_outputs, num_units) of -1 and +1; the sum of each column is 0, or -1 or +1 where the outputs are odd.

    Args:
        seed: any whole number; its low 32 bits count.
        num_outputs: classes.
        num_units: numbers that the head sees.
    """
    units, classes = np.arange(num_units), np.arange(num_outputs)[:, None]
    pairing = (_mix(seed, np.array(-1), units) * np.uint64(num_outputs)) >> np.uint64(32)
    partners = (pairing.astype(np.int64) - classes) % num_outputs
    if num_outputs % 2 == 0:
        partners = np.where(partners == classes, (classes + num_outputs // 2) % num_outputs, partners)
    is_set = _mix(seed, np.minimum(classes, partners), units) >> np.uint64(31) == 1
    return np.where(is_set == (classes <= partners), 1, -1).astype(np.int8)


def _mix(seed: int, classes: NDArray[Any], units: NDArray[Any]) -> NDArray[np.uint64]:
    """The hash of each counter, 32 bits."""
    x = ((seed * _OF_SEED & _MASK) + classes * _OF_CLASS + units * _OF_UNIT).astype(np.uint64) & np.uint64(_MASK)
    for shift, multiplier in ((16, _FIRST), (13, _SECOND)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(multiplier)) & np.uint64(_MASK)
    return np.asarray(x ^ (x >> np.uint64(16)))
