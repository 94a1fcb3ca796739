"""What a run reads: images or signals of bytes, a part of the training set put aside, and epochs in an order of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.firmware_runs import write_samples
from tinyfoa_rt.run.data import load_data

__all__ = ["Samples", "read_samples", "write_epochs"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Bytes (N, channels, height, width) with their labels (N,); ``mean`` and ``deviation`` are those of ``x_train``."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    num_classes: int

    @property
    def mean(self) -> float:
        return float(self.x_train.mean())

    @property
    def deviation(self) -> float:
        return float(self.x_train.std())


def read_samples(data: str, *, means: int = 1, first: int | None = None, validation: int | None = None) -> Samples:
    """Read a data set as a device would see it.

    Args:
        data: what ``--data`` takes.
        means: so many pixels or positions along each axis become one, as a sensor that is read at a part of its resolution.
        first: only so many samples of the training set.
        validation: so many samples from the training set's end take the place of the test set.
    """
    found = load_data(data)
    x_train, y_train, x_test, y_test = found.x_train[:first], found.y_train[:first], found.x_test, found.y_test
    if validation:
        kept = np.random.default_rng(0).permutation(len(y_train))  # classes may be in order
        held, kept = np.sort(kept[:validation]), np.sort(kept[validation:])
        x_test, y_test, x_train, y_train = x_train[held], y_train[held], x_train[kept], y_train[kept]
    return Samples(_as_bytes(x_train, means), y_train, _as_bytes(x_test, means), y_test, found.num_classes)


def _as_bytes(x: Array, size: int) -> Array:
    if x.dtype != np.uint8:  # a signal from 0 to 1
        x = np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8).reshape(len(x), 1, 1, -1)
    x = x.reshape(len(x), *((1,) * (4 - x.ndim)), *x.shape[1:])
    if size == 1:
        return x
    rows = 1 if x.shape[2] == 1 else size
    height, width = x.shape[2] // rows, x.shape[3] // size
    cut = x[:, :, : height * rows, : width * size].reshape(*x.shape[:2], height, rows, width, size)
    means: Array = np.rint(cut.mean(axis=(3, 5), dtype=np.float32)).astype(np.uint8)
    return means


def write_epochs(samples: Samples, epochs: int, seed: int, folder: Path, *, flips: bool = False) -> None:
    """Write ``samples.bin``: all epochs one behind the other, each in an order of its own; and ``test.bin``.

    With ``flips`` each image is mirrored left to right in half of its epochs, which costs a device no memory.
    """
    rng = np.random.default_rng(seed)
    parts, labels = [], []
    for _ in range(epochs):
        order = rng.permutation(len(samples.y_train))
        x = samples.x_train[order]
        if flips:
            mirrored = rng.random(len(x)) < 0.5
            x[mirrored] = x[mirrored, :, :, ::-1]
        parts.append(x)
        labels.append(samples.y_train[order])
    write_samples(folder / "samples.bin", np.concatenate(parts), np.concatenate(labels))
    write_samples(folder / "test.bin", samples.x_test, samples.y_test)
