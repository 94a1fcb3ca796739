"""Where a block's batches come from: the samples themselves, or the cache of what enters the block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.cache import ActivationCache
from tinyfoa_rt.run.data import Normalization, check_labels, fit_to_shape
from tinyfoa_rt.run.records import Manifest

__all__ = ["Samples", "check_targets", "fill_batch", "order_of_samples", "put_values"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Samples:
    """Raw samples (N, ...) that become the model's input a batch at a time: float32, normalized, in the model's shape."""

    x: Array
    name: str
    shape: tuple[int, ...]
    normalization: Normalization | None

    def gather(self, rows: Array | slice) -> Array:
        """Return the model's input for ``rows``, contiguous.

        Raises:
            InputError: the samples do not fit the model's input, or hold NaN or Inf; names the row.
        """
        raw = self.x[rows]
        values = raw.astype(np.float32) if self.normalization is None else self.normalization.apply(raw)
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values.reshape(len(values), -1)).all(axis=1)).argmax())
            row = rows.start + bad if isinstance(rows, slice) else int(rows[bad])
            raise InputError(f"data, row {row}", "holds NaN or Inf", "leave the row out")
        return np.ascontiguousarray(fit_to_shape(values, self.shape))


def fill_batch(feed: Samples | ActivationCache, rows: Array, into: Mapping[str, Array]) -> None:
    """Copy rows into the arrays that a step is bound to."""
    if isinstance(feed, Samples):
        values = {feed.name: feed.gather(rows)}
    else:
        values = {name: feed.gather(rows, name) for name in into if name in feed.names}
    put_values(values, into)


def put_values(values: Mapping[str, Array], into: Mapping[str, Array]) -> None:
    """Copy what the forward pass has computed into the arrays that a step is bound to.

    Raises:
        InputError: a value is missing, or of another type or size: the artifact's models are not of one artifact.
    """
    for name, array in into.items():
        if name not in values:
            raise InputError(f"value '{name}'", "is read by a step, and no stage computes it", "build the artifact again")
        value = values[name]
        if value.size != array.size or value.dtype != array.dtype:
            problem = f"is {value.dtype}{list(value.shape)}, a step reads {array.dtype}{list(array.shape)}"
            raise InputError(f"value '{name}'", problem, "build the artifact again")
        array[...] = value.reshape(array.shape)


def check_targets(manifest: Manifest, x: Array, y: Array) -> Array:
    """Return targets as a step takes them: class numbers (N,) int64, or real vectors (N, outputs) float32.

    Raises:
        InputError: no samples, unequal numbers, labels out of range, or targets of another size.
    """
    if len(x) == 0:
        raise InputError("data", "has no samples", "give at least one")
    if len(x) != len(y):
        raise InputError("data", f"has {len(x)} samples and {len(y)} targets", "give one target a sample")
    if manifest.loss == "cross-entropy":
        if y.ndim != 1 or y.dtype.kind not in "iu":
            problem = f"labels are {y.dtype} of shape {y.shape}"
            raise InputError("data", problem, "give one whole number a sample, counted from 0")
        check_labels(y, manifest.num_outputs, "data")
        return y.astype(np.int64, copy=False)
    flat = np.asarray(y, dtype=np.float32).reshape(len(y), -1)
    if flat.shape[1] != manifest.num_outputs or not np.isfinite(flat).all():
        problem = f"targets have {flat.shape[1]} numbers, the model {manifest.num_outputs}, all finite"
        raise InputError("data", problem, "give one vector a sample")
    return flat


def order_of_samples(num_samples: int, batch: int, seed: tuple[int, ...]) -> Array:
    """Return the rows of an epoch as (steps, batch); ``seed`` names data set, block and epoch, so any epoch can be made again.

    What does not fill a batch is left out; fewer samples than a batch are repeated.
    """
    order = np.random.default_rng(seed).permutation(num_samples)
    if num_samples < batch:
        return np.resize(order, (1, batch))
    steps = num_samples // batch
    return order[: steps * batch].reshape(steps, batch)
