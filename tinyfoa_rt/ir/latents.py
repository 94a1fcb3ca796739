"""Formats of latent weights: one row each, from which planning, steps, artifacts, generated C and trainers take what they need.

A latent weight of few bits is a whole number q that stands for q times the *quantum* of its layer, which stays as it is. A step
moves it by a whole number too: the change in quanta is rounded up or down by chance, so that the mean of what is added is the
change itself, however small it is::

    q <- clip(q + floor(u - change / quantum), -most, most),    most = 2^(bits - 1) - 1

u is uniform in [0, 1), a multiple of 2^-24, and a function of the layer's key, of how many steps have been taken and of the place
of the weight, in arithmetic modulo 2^32: so every runtime draws the same, and a training that is resumed goes on to the same
weights::

    u = (mix(mix(key + step * OF_STEP) + place * OF_PLACE) >> 8) * 2^-24
    mix(x): x ^= x >> 16, x *= FIRST, x ^= x >> 15, x *= SECOND, x ^= x >> 15

The place counts the weights of the slice that is trained, output by output, of an output input by input, of an input tap by tap.
``mix`` and its multipliers were found by Wellons (hash-prospector, public domain). All multipliers are below 2^31: a product with
32 bits fits into 63, and runtimes that know signed numbers alone compute it too.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.vocabulary import Vocabulary

__all__ = [
    "FLOAT", "FORMATS", "Latent", "draw", "draw_key", "latent_of", "quantized",
    "quantum_of_reals", "quantum_of_signs",
]  # fmt: skip

FLOAT = "float32"
_OF_STEP, _OF_PLACE = 0x2C9277B5, 0x5BD1E995
_FIRST, _SECOND = 0x21F0AAAD, 0x735A2D97
_MASK = 0xFFFFFFFF
_WORD_BITS = 32
# Weights that come from a trained model grow a little on.
_ROOM_OF_TRAINED = 1.15
# Of weights whose signs multiply, in units of 1 / sqrt(inputs of an output).
_BINARY_RANGE = 4.0


@dataclass(frozen=True)
class Latent:
    """A format.

    Attributes:
        name: as options and recipes have it.
        bits: of one weight.
        dtype: the NumPy type in which trainers hold it.
        dense_range: the largest weight of a dense layer, in standard deviations of those that training begins with.
        conv_range: that of kernels, which are used at many positions.
    """

    name: str
    bits: int
    dtype: str
    dense_range: float = 0.0
    conv_range: float = 0.0

    @property
    def is_integer(self) -> bool:
        """Whether weights are whole numbers with a quantum."""
        return self.name != FLOAT

    @property
    def most(self) -> int:
        """The largest whole number."""
        return (1 << (self.bits - 1)) - 1

    def num_words(self, count: int) -> int:
        """Words of 32 bits that so many weights take in generated C: groups of them fill words without a gap."""
        group_words = math.lcm(self.bits, _WORD_BITS) // _WORD_BITS
        return -(-count * self.bits // (_WORD_BITS * group_words)) * group_words


# By name, in the order in which options list them.
FORMATS = Vocabulary(
    "latent",
    (
        Latent(FLOAT, 32, FLOAT),
        Latent("int16", 16, "int16", dense_range=12.0, conv_range=8.0),
        Latent("int12", 12, "int16", dense_range=5.0, conv_range=5.0),
        Latent("int8", 8, "int8", dense_range=3.0, conv_range=3.5),
    ),
)
latent_of = FORMATS.find


def quantum_of_reals(latent: Latent, deviation: float, *, is_kernel: bool, largest: float = 0.0) -> float:
    """Return the quantum of a layer that multiplies its weights themselves, a float32.

    Args:
        latent: a format of whole numbers.
        deviation: of the weights that training begins with: the root of their mean square.
        is_kernel: whether a weight is used at many positions.
        largest: of weights that may come from a model that has been trained, of which none is cut off.
    """
    reach = (latent.conv_range if is_kernel else latent.dense_range) * deviation
    return float(np.float32(max(reach, _ROOM_OF_TRAINED * largest) / latent.most))


def quantum_of_signs(latent: Latent, fan_in: int) -> float:
    """Return the quantum of a layer that multiplies the signs of its weights, of which an output has ``fan_in``."""
    return float(np.float32(_BINARY_RANGE / math.sqrt(fan_in) / latent.most))


def quantized(latent: Latent, weight: NDArray[Any], quantum: float) -> NDArray[Any]:
    """Return the whole numbers that are nearest to ``weight``."""
    return np.clip(np.rint(weight / np.float32(quantum)), -latent.most, latent.most).astype(latent.dtype)


def draw_key(seed: int, layer: str) -> int:
    """The key of a layer: 32 bits, from its name and the seed of the plan."""
    return zlib.crc32(f"{seed} {layer}".encode())


def draw(key: int, step: int, places: NDArray[Any]) -> NDArray[np.float32]:
    """Return u for weights at ``places`` in a step."""
    of_step = _mix(np.array((key + step * _OF_STEP) & _MASK, dtype=np.uint64))
    words = _mix((of_step + places.astype(np.uint64) * np.uint64(_OF_PLACE)) & np.uint64(_MASK))
    return (words >> np.uint64(8)).astype(np.float32) * np.float32(2**-24)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x ^ (x >> np.uint64(16))
    x = (x * np.uint64(_FIRST)) & np.uint64(_MASK)
    x = x ^ (x >> np.uint64(15))
    x = (x * np.uint64(_SECOND)) & np.uint64(_MASK)
    return np.asarray(x ^ (x >> np.uint64(15)))
