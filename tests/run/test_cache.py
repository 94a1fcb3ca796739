from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyfoa_rt.run.cache import ActivationCache


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("bits", [1, 2])
def test_samples_come_back_with_all_their_rows(dtype: type, rows: int, bits: int) -> None:
    values: NDArray[Any] = np.random.default_rng(0).integers(0, 2**bits, (7, rows, 5)).astype(dtype)
    cache = ActivationCache(7, {"h"}, bits)
    for start in (0, 4):
        part = values[start : start + 4]
        cache.put(start, len(part), {"h": part.reshape(-1, 5)})
    order = np.array([5, 0, 5, 3])
    found = cache.gather(order, "h")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values[order].reshape(-1, 5))
    assert cache.nbytes == 7 * (bits * -(-rows * 5 // 8) if dtype == np.uint8 else rows * 5 * 4)
