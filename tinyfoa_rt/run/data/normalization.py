"""Zero mean and unit deviation, measured once on the training set and recorded with the artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.data.features import chunks
from tinyfoa_rt.run.data.some_rows import SomeRows

__all__ = ["AUTO", "Normalization", "channel_axis", "check_normalization", "measure"]

AUTO = "auto"

Statistic = float | tuple[float, ...]

# float32 holds its reciprocal.
_SMALLEST_STD = float(np.finfo(np.float32).tiny)
_LARGEST = float(np.finfo(np.float32).max)
_MEND = "load the data again and build the artifact anew"


@dataclass(frozen=True, slots=True)
class Normalization:
    """``(x - mean) / std``.

    Attributes:
        mean: one number, or one a channel.
        std: likewise; greater than 0.
        axis: of the channels in raw data (N, ...); without meaning where mean and std are one number.
    """

    mean: Statistic
    std: Statistic
    axis: int = 1

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return raw samples (N, ...) normalized, float32, of the same shape.

        Raises:
            InputError: ``x`` has another number of channels.
        """
        mean = np.asarray(self.mean, dtype=np.float32)
        scale = 1 / np.asarray(self.std, dtype=np.float32)
        if isinstance(self.mean, tuple):
            found = x.shape[self.axis] if x.ndim > self.axis else 0
            if found != len(self.mean):
                problem = f"have shape {x.shape}; axis {self.axis} should have {len(self.mean)} channels"
                raise InputError("samples", problem, "give raw samples as the training set has them")
            shape = [1] * x.ndim
            shape[self.axis] = len(self.mean)
            mean, scale = mean.reshape(shape), scale.reshape(shape)
        normalized: NDArray[np.float32] = np.subtract(x, mean, dtype=np.float32)
        normalized *= scale
        return normalized

    @property
    def text(self) -> str:
        """What it does, in a line."""
        if isinstance(self.mean, tuple):
            return f"mean and deviation of each of {len(self.mean)} on axis {self.axis} become 0 and 1"
        return f"mean {self.mean:.4g} and deviation {self.std:.4g} of all values become 0 and 1"

    def to_json(self) -> dict[str, Any]:
        """Return an object of numbers and lists, equal after ``from_json``."""
        mean, std = (list(v) if isinstance(v, tuple) else v for v in (self.mean, self.std))
        return {"mean": mean, "std": std, "axis": self.axis}

    @classmethod
    def from_json(cls, value: Any) -> Normalization:
        """Return what ``to_json`` wrote.

        Raises:
            InputError: a key is missing, or numbers are not finite, not positive (std) or of unequal count.
        """
        if not isinstance(value, Mapping) or {"mean", "std", "axis"} - value.keys():
            raise InputError("normalization", "is not an object of mean, std and axis", _MEND)
        mean, std, axis = _statistic(value["mean"]), _statistic(value["std"]), value["axis"]
        if isinstance(axis, bool) or not isinstance(axis, int) or not 1 <= axis < 32:
            raise InputError("normalization", "axis is not a whole number from 1 to 31", _MEND)
        if np.shape(mean) != np.shape(std):
            raise InputError("normalization", "mean and std differ in their number of channels", _MEND)
        if min(std if isinstance(std, tuple) else (std,)) < _SMALLEST_STD:
            raise InputError("normalization", "std is not greater than 0", _MEND)
        return cls(mean, std, axis)


def check_normalization(asked: str) -> None:
    """Refuse what training does not know.

    Raises:
        UsageError: it is neither ``auto``, ``data`` nor ``none``.
    """
    if asked not in (AUTO, "data", "none"):
        raise UsageError(f"--normalization {asked}", "is not known", "use auto, data or none")


def channel_axis(x: NDArray[Any] | SomeRows) -> int | None:
    """Return the axis of raw samples (N, ...) whose elements have a mean and a deviation each; ``None`` where all have one.

    Of a table, (N, features), each feature; but bytes are pixels, and have one. Of images, (N, C, H, W) or (N, H, W, C), each of
    2 to 4 channels; of signals, (N, C, L) or (N, L, C), each channel, where there are at least four times as many positions.
    """
    is_bytes = x.dtype == np.uint8
    if x.ndim == 2:
        return None if is_bytes else 1
    found = {axis: x.shape[axis] for axis in (1, x.ndim - 1)}
    if x.ndim == 4:
        return next((axis for axis, size in found.items() if 2 <= size <= 4 and size < x.shape[2]), None)
    if x.ndim == 3 and not is_bytes:
        return next((axis for axis, size in found.items() if 2 <= size <= x.shape[3 - axis] // 4), None)
    return None


def measure(x: NDArray[Any] | SomeRows, axis: int | None) -> Normalization:
    """Return mean and deviation of ``x`` (N, ...), of all elements or, with ``axis``, of each channel.

    A channel that never changes gets deviation 1, so that it becomes 0. Chunks are merged by Chan's formula in float64.
    """
    reduced = tuple(i for i in range(x.ndim) if i != axis)
    count, mean, squares = 0, np.float64(0), np.float64(0)
    for _, chunk in chunks(x):
        values = chunk.astype(np.float64)
        size = values.size if axis is None else values.size // values.shape[axis]
        delta = values.mean(axis=reduced) - mean
        squares = squares + values.var(axis=reduced) * size + delta**2 * (count * size / (count + size))
        mean = mean + delta * (size / (count + size))
        count += size
    std = np.sqrt(squares / count)
    # Below float32's resolution of the mean, a deviation is rounding.
    std = np.where(std > np.maximum(np.abs(mean) * 1e-7, _SMALLEST_STD), std, 1.0)
    if axis is None:
        return Normalization(float(mean), float(std))
    return Normalization(tuple(map(float, np.atleast_1d(mean))), tuple(map(float, np.atleast_1d(std))), axis)


def _statistic(value: Any) -> Statistic:
    if isinstance(value, list | tuple) and value:
        return tuple(_number(v) for v in value)
    return _number(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise InputError("normalization", "holds something that is not a finite number", _MEND)
    return float(value)
