"""Fixed matrices that are drawn when an artifact is built: the same from one seed on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw"]


def draw(seed: Sequence[int], shape: Sequence[int]) -> NDArray[np.float32]:
    """Return numbers uniform on +-sqrt(3), whose variance is 1; ``seed`` says which ones."""
    bits = np.random.PCG64(list(seed)).random_raw(math.prod(shape))
    unit = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
    return (unit * np.float32(math.sqrt(3.0))).reshape(shape)
