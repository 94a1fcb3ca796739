"""Initial weights that are the same on every machine and with every version of NumPy.

NumPy keeps the stream of a bit generator between versions, but not what ``Generator`` makes of it: so the numbers are
made here from the generator's bits, by operations that are exact in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Parameter", "draw"]


@dataclass(frozen=True)
class Parameter:
    """An initializer: float32, He-initialised for ``fan_in`` inputs, or filled with ``fill`` where ``fan_in`` is 0."""

    name: str
    shape: tuple[int, ...]
    fan_in: int = 0
    fill: float = 0.0
    is_trained: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def draw(parameters: Sequence[Parameter], seed: int) -> list[npt.NDArray[np.float32]]:
    """Return the values of ``parameters``, drawn in their order from one stream.

    He's uniform rule: U(-limit, limit) with limit = sqrt(6 / fan_in), a variance of 2 / fan_in.
    """
    bits = np.random.PCG64(seed)
    return [_he_uniform(bits, p) if p.fan_in else np.full(p.shape, p.fill, np.float32) for p in parameters]


def _he_uniform(bits: np.random.PCG64, parameter: Parameter) -> npt.NDArray[np.float32]:
    words = np.asarray(bits.random_raw((parameter.size + 1) // 2), dtype="<u8").view("<u4")[: parameter.size]
    # 24 bits fill a float32 significand: unit is a multiple of 2**-23 in [-1, 1), without rounding.
    unit = (words >> 8).astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
    values: npt.NDArray[np.float32] = unit * np.float32(math.sqrt(6.0 / parameter.fan_in))
    return values.reshape(parameter.shape)
