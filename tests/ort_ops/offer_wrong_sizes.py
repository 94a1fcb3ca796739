"""Offer kernels inputs of wrong sizes and origins beyond every layer, under the sanitizers that this process has loaded.

python -m tests.ort_ops.offer_wrong_sizes LIBRARY
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tests.ort_ops.kernel_cases import CASES, models_of, run_with, without_body

Array = NDArray[Any]
_LARGE = 2**31 - 1
_ORIGINS = [(-5, -7, 3, 3), (10**9, 0, 5, 5), (0, 10**9, 5, 5), (0, 0, -1, -1), (_LARGE,) * 4, (1, 1, _LARGE, _LARGE)]


def wrong(value: Array) -> Iterator[Array]:
    """Half of the rows, half of the columns, nothing, twice as much."""
    if value.ndim == 0:
        return
    yield np.ascontiguousarray(value[: len(value) // 2])
    yield np.ascontiguousarray(value[:0])
    yield np.concatenate([value, value])
    if value.ndim == 2:
        yield np.ascontiguousarray(value[:, : value.shape[1] // 2])
    if value.dtype == np.int32 and value.shape == (4,):
        yield from (np.array(origin, dtype=np.int32) for origin in _ORIGINS)


def main() -> None:
    """Print how many runs went through and how many were refused; the sanitizers end the process where a kernel goes astray."""
    onnxruntime.set_default_logger_severity(4)
    library, counts = Path(sys.argv[1]), [0, 0]
    for case in CASES:
        model, feeds, _ = models_of(case)
        run_with(library, without_body(model), feeds, threads=2)
        for position, value in enumerate(feeds):
            for other in wrong(value):
                is_refused = False
                try:
                    run_with(library, without_body(model), [*feeds[:position], other, *feeds[position + 1 :]])
                except Exception as error:
                    is_refused = True
                    assert "tinyfoa:" in str(error), error
                counts[is_refused] += 1
    print(*counts)


if __name__ == "__main__":
    main()
