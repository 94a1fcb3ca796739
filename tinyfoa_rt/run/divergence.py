"""Whether a training has gone astray."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.artifact.tensor_file import is_finite
from tinyfoa_rt.errors import DivergenceError
from tinyfoa_rt.names import elide

__all__ = ["check_loss", "check_tensors"]

Array = NDArray[Any]


def check_loss(block: str, step: int, loss: float) -> None:
    """Stop a training that has gone astray.

    Raises:
        DivergenceError: the loss is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise DivergenceError(block, step, f"the loss is {'NaN' if math.isnan(loss) else 'infinite'}")


def check_tensors(block: str, step: int, tensors: Mapping[str, Array]) -> None:
    """As :func:`check_loss`, for what a step has left.

    Raises:
        DivergenceError: a tensor holds NaN or Inf.
    """
    for name, array in tensors.items():
        if not is_finite(array):
            raise DivergenceError(block, step, f"tensor '{elide(name)}' holds NaN or Inf")
