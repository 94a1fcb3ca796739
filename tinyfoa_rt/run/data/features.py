"""Samples: whole numbers or float32, all finite, one a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.some_rows import SomeRows

__all__ = ["as_features", "chunks"]

_CHUNK_NBYTES = 2**22


def as_features(x: NDArray[Any], place: str) -> NDArray[Any]:
    """Return ``x`` (N, ...) as it is where it holds whole numbers or float32, else as float32.

    Raises:
        InputError: no numbers, empty, no axis for samples, NaN or Inf; the row counts from 0.
    """
    if x.dtype.kind not in "biuf":
        raise InputError(place, f"has the type {x.dtype}", "store uint8 or float32")
    if x.ndim < 2:
        raise InputError(place, f"has shape {x.shape}, expected an axis of samples and one of features", "reshape it to (N, 1)")
    if x.size == 0:
        raise InputError(place, f"is empty, shape {x.shape}", "give at least one sample")
    if x.dtype.kind in "biu":
        return x
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes Inf, refused below
        features = x.astype(np.float32, copy=False)
    for start, chunk in chunks(features):
        if not np.isfinite(chunk).all():
            row = int((~np.isfinite(chunk.reshape(len(chunk), -1)).all(axis=1)).argmax())
            raise InputError(f"{place}, row {start + row}", "holds NaN, Inf or a number beyond float32", "leave the row out")
    return features


def chunks(x: NDArray[Any] | SomeRows) -> Iterator[tuple[int, NDArray[Any]]]:
    """Pairs of first row and rows, a few MiB each, so that a memory-mapped set is never whole in RAM."""
    step = max(1, _CHUNK_NBYTES // max(1, x[:1].nbytes))
    for start in range(0, len(x), step):
        yield start, x[start : start + step]
