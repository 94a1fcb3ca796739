"""Labels that are classes: whole numbers from 0, one a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError

__all__ = ["LARGEST_NUM_CLASSES", "as_classes", "check_classes"]

# A label beyond it is an identifier or a measurement, not a class; it would size the output layer.
LARGEST_NUM_CLASSES = 65_536


def as_classes(y: NDArray[Any], place: str) -> NDArray[np.int64]:
    """Return ``y`` (N,) as int64, 0 <= label < ``LARGEST_NUM_CLASSES``; floats must be whole.

    Raises:
        InputError: no vector, empty, not whole, or out of range; the row counts from 0.
    """
    if y.ndim != 1:
        mend = "take the argmax of one-hot rows" if y.ndim == 2 else "store one class number a sample"
        raise InputError(place, f"labels have shape {y.shape}, expected one axis", mend)
    if y.dtype.kind not in "biuf":
        raise InputError(place, f"labels have the type {y.dtype}", "number the classes from 0")
    if len(y) == 0:
        raise InputError(place, "is empty", "give at least one sample")
    if y.dtype.kind == "f":
        bad = ~np.isfinite(y) | (np.floor(y) != y)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"{place}, row {row}", f"label {y[row]} is not a whole number", "number the classes from 0")
    check_classes(y, LARGEST_NUM_CLASSES, place)
    return y.astype(np.int64)


def check_classes(y: NDArray[Any], num_classes: int, place: str = "labels") -> None:
    """Refuse a label outside 0 <= label < ``num_classes``.

    Args:
        y: (N,), integers or whole floats.
        num_classes: outputs of the model.
        place: what the message begins with.

    Raises:
        InputError: names the first row, counted from 0, and the label there.
    """
    bad = (y < 0) | (y >= num_classes)
    if bad.any():
        row = int(bad.argmax())
        mend = f"number the classes 0 to {num_classes - 1}, or use a model with more outputs"
        raise InputError(f"{place}, row {row}", f"label {y[row]} is outside 0 to {num_classes - 1}", mend)
