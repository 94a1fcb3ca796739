"""What the loss of a sample, and its error, is multiplied by: one factor a class, as ``--class-weights`` writes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import UsageError

__all__ = ["BALANCED", "NO_CLASS_WEIGHTS", "balanced_class_weights", "parse_class_weights"]

NO_CLASS_WEIGHTS, BALANCED = "none", "balanced"
_LARGEST = 1e6


def parse_class_weights(text: str) -> tuple[float, ...]:
    """Return the factors of a list such as ``1,2.5,4``, from class 0 on; none where there are none, or none yet.

    Raises:
        UsageError: it is no list of numbers above 0.
    """
    if text in (NO_CLASS_WEIGHTS, BALANCED):
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(0 < factor <= _LARGEST for factor in found):
        mend = "write none, balanced, or a number above 0 for each class, such as 1,2.5,4"
        raise UsageError(f"--class-weights {text}", f"is no list of numbers above 0 and up to {_LARGEST:,.0f}", mend)
    return found


def balanced_class_weights(labels: NDArray[Any], num_classes: int) -> str:
    """Return factors in proportion to 1 / count, whose mean over the samples is 1; a class that no sample has gets 1.

    Args:
        labels: classes (N,).
        num_classes: of the model.
    """
    counts = np.bincount(labels, minlength=num_classes)
    occurring = np.count_nonzero(counts)
    return ",".join(f"{len(labels) / (occurring * count) if count else 1.0:.6g}" for count in counts)
