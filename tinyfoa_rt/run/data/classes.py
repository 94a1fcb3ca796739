"""Labels that are classes: names, or whole numbers, one a sample; or a 1 among zeros for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.label_map import is_named

__all__ = ["LARGEST_NUM_CLASSES", "as_classes", "check_classes", "is_one_hot"]

# Of more different labels each is an identifier or a measurement, not a class; they would size the output layer.
LARGEST_NUM_CLASSES = 65_536
_NUMBER_THEM = "number the classes from 0, or plan with --loss mean-squared-error"
# A label that is longer is a text, not the name of a class.
_LONGEST_NAME = 256


def is_one_hot(y: NDArray[Any]) -> bool:
    """Whether ``y`` (N, classes) has a single 1 in each row, and zeros."""
    if y.ndim != 2 or y.shape[1] < 2 or y.dtype.kind not in "biuf":
        return False
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def as_classes(y: NDArray[Any], place: str) -> NDArray[Any]:
    """Return ``y`` (N,), (N, 1) or one-hot as a vector: names as text, everything else as int64; floats must be whole.

    Raises:
        InputError: another shape or type, empty, not whole, a name that is empty or no name; the row counts from 0.
    """
    if y.ndim and len(y) == 0:
        raise InputError(place, "is empty", "give at least one sample")
    if is_one_hot(y):
        return np.asarray(y.argmax(axis=1))
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(place, f"labels have shape {y.shape}, expected one axis", "store one class a sample")
    if is_named(y):
        return _as_names(y, place)
    if y.dtype.kind not in "biuf":
        raise InputError(place, f"labels have the type {y.dtype}", "give the classes names, or number them from 0")
    bad = ~np.isfinite(y) | (np.floor(y) != y) | (np.abs(y) >= 2.0**63) if y.dtype.kind == "f" else np.zeros(0, dtype=bool)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"{place}, row {row}", f"label {y[row]} is not a whole number", _NUMBER_THEM)
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


def _as_names(y: NDArray[Any], place: str) -> NDArray[np.str_]:
    try:
        names: NDArray[np.str_] = np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y.astype(np.str_)
    except UnicodeDecodeError as error:
        raise InputError(place, f"has labels that are no text ({error})", "store names as text") from error
    lengths = np.char.str_len(names)
    is_bad = (lengths == 0) | (lengths > _LONGEST_NAME)
    if is_bad.any():
        row = int(is_bad.argmax())
        problem = f"has a label of {lengths[row]:,} characters" if lengths[row] else "has no label"
        raise InputError(f"{place}, row {row}", problem, f"give a name of 1 to {_LONGEST_NAME} characters, or leave the row out")
    return names
