"""Where a block's batches come from: the samples themselves, or the cache of what enters the block."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import InputRecord, Manifest
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.cache import ActivationCache
from tinyfoa_rt.run.data import Normalization, SomeRows, chunks, fit_to_shape

__all__ = ["InputSamples", "Samples", "fill_batch", "gathered", "put_values", "samples_of"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class InputSamples:
    """Raw values (N, ...) of one input of the model, which become its batches: of its type and shape, normalized where real."""

    x: Array | SomeRows
    record: InputRecord
    normalization: Normalization | None

    def __post_init__(self) -> None:
        if self.x.dtype.kind not in "biuf" or self.x.ndim == 0:
            problem = f"samples are {self.x.dtype} of shape {self.x.shape}"
            raise InputError("data", problem, "give an array of numbers, one row a sample")

    def gather(self, rows: Array | slice) -> Array:
        """Return the input's values for ``rows``, contiguous.

        Raises:
            InputError: they do not fit the input, hold NaN or Inf, or are not whole where it takes whole numbers; names the row.
        """
        raw = self.x[rows]
        if self.record.is_real:
            with np.errstate(over="ignore", invalid="ignore"):  # what becomes Inf or NaN is refused below
                values = raw.astype(np.float32) if self.normalization is None else self.normalization.apply(raw)
            is_good, problem = np.isfinite(values), "holds NaN or Inf"
        else:
            with np.errstate(invalid="ignore"):  # what the type does not hold becomes another number, and differs
                values = raw.astype(self.record.dtype)
            is_good, problem = values == raw, f"holds what is no {self.record.dtype}, which input '{self.record.name}' takes"
        if not is_good.all():
            bad = int((~is_good.reshape(len(raw), -1).all(axis=1)).argmax())
            row = rows.start + bad if isinstance(rows, slice) else int(rows[bad])
            raise InputError(f"data, row {row}", problem, "leave the row out")
        return np.ascontiguousarray(fit_to_shape(values, self.record.shape), dtype=self.record.dtype)


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of a model: a value for each of its inputs, as many of one as of the other."""

    inputs: tuple[InputSamples, ...]

    def __len__(self) -> int:
        return len(self.inputs[0].x)

    def check(self) -> None:
        """Refuse samples that :meth:`gather` would, before anything is trained on the first of them.

        Raises:
            InputError: as :meth:`gather`.
        """
        for each in self.inputs:
            for start, rows in chunks(each.x):
                each.gather(slice(start, start + len(rows)))

    def gather(self, rows: Array | slice) -> dict[str, Array]:
        """Return the model's inputs by name for ``rows``.

        Raises:
            InputError: as :meth:`InputSamples.gather`.
        """
        return {each.record.name: each.gather(rows) for each in self.inputs}


def samples_of(manifest: Manifest, x: Array | Mapping[str, Array], normalization: Normalization | None) -> Samples:
    """Return samples of a model from an array, or from arrays by the names of its inputs.

    Raises:
        InputError: an array for several inputs, an input without an array, or arrays of unequal lengths.
        UsageError: a normalization of several inputs, or of whole numbers.
    """
    names = [each.name for each in manifest.inputs]
    mend = f"give arrays named {', '.join(names)}"
    if normalization is not None and not manifest.takes_normalization:
        raise UsageError("normalization", "is of samples of real numbers, for a model with one input", "leave it out")
    if isinstance(x, Mapping):
        # A single input goes by the name x too, as data files call it.
        found = {names[0]: x["x"], **x} if len(names) == 1 and "x" in x else x
        missing = [name for name in names if name not in found]
        if missing:
            raise InputError("data", f"has no array for the model's input '{missing[0]}'", mend)
    elif len(names) > 1:
        raise InputError("data", f"is one array, the model has {len(names)} inputs", mend)
    else:
        found = {names[0]: x}
    arrays = {name: np.asarray(found[name]) for name in names}
    inputs = tuple(InputSamples(arrays[each.name], each, normalization) for each in manifest.inputs)
    if len({len(array) for array in arrays.values()}) > 1:
        counts = ", ".join(f"{len(array)} of '{name}'" for name, array in arrays.items())
        raise InputError("data", f"has {counts}", "give as many samples of each input")
    return Samples(inputs)


def fill_batch(feed: Samples | ActivationCache, rows: Array, into: Mapping[str, Array]) -> None:
    """Copy rows into the arrays that a step is bound to."""
    put_values(gathered(feed, rows, into), into)


def gathered(feed: Samples | ActivationCache, rows: Array, names: Collection[str] | None = None) -> dict[str, Array]:
    """Return the values of ``rows`` by name, those of ``names`` alone where it is given and they are cached."""
    if isinstance(feed, Samples):
        return feed.gather(rows)
    return {name: feed.gather(rows, name) for name in feed.names if names is None or name in names}


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
