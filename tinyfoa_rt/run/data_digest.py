"""A digest of training data: a training that goes on is given the data that it was begun with, or it would end elsewhere."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.run.data import chunks, fit_to_shape
from tinyfoa_rt.run.feed import Samples

__all__ = ["digest_of"]


def digest_of(*sets: tuple[Samples, NDArray[Any]]) -> str:
    """Return the SHA-256 of raw samples and labels, whatever type and shape the caller has them in: of one set after the other.

    Hashed are, of each input, the line ``N SIZE`` and its values in the order of the model's axes, real ones as float32; then the
    labels, int64 or float32; all in little endian. targets/ort/include/tinyfoa_ort/samples.hpp computes the same.
    """
    hasher = hashlib.sha256()
    for samples, labels in sets:
        for each in samples.inputs:
            dtype = np.dtype(np.float32 if each.record.is_real else each.record.dtype).newbyteorder("<")
            hasher.update(f"{len(labels)} {math.prod(each.record.shape[1:])}\n".encode())
            for _, rows in chunks(each.x):
                hasher.update(np.ascontiguousarray(fit_to_shape(rows.astype(dtype), each.record.shape)).data)
        hasher.update(np.ascontiguousarray(labels.astype(labels.dtype.newbyteorder("<"), copy=False)).data)
    return hasher.hexdigest()
