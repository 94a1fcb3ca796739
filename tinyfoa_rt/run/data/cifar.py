"""The binary version of CIFAR-10 and CIFAR-100: rows of one or two label bytes and 3 x 32 x 32 pixel bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import reading
from tinyfoa_rt.run.data.classes import check_classes
from tinyfoa_rt.run.data.data_set import DataSet, Part, join
from tinyfoa_rt.run.data.stream import LARGEST_FILE

__all__ = ["CIFAR10_TEST", "CIFAR100_TRAIN", "load_cifar10_folder", "load_cifar100_folder"]

CIFAR10_TEST = "test_batch.bin"
CIFAR100_TRAIN = "train.bin"
_IMAGE = (3, 32, 32)
_IMAGE_NBYTES = 3 * 32 * 32
_BATCH = re.compile(r"data_batch_([1-9]\d{0,3})\.bin")


def load_cifar10_folder(folder: Path) -> DataSet:
    """Read ``data_batch_1.bin`` and on, and ``test_batch.bin``: x (N, 3, 32, 32) uint8, 10 classes.

    Raises:
        InputError: a file is missing, holds no whole number of rows, or a label is not 0 to 9.
    """
    numbers = sorted(int(match[1]) for path in folder.iterdir() if (match := _BATCH.fullmatch(path.name)))
    names = [f"data_batch_{i}.bin" for i in range(1, len(numbers) + 1)]
    if not numbers or numbers[-1] != len(numbers):
        missing = min(set(range(1, len(numbers) + 2)) - set(numbers))
        raise InputError(folder.name, f"holds no data_batch_{missing}.bin", "unpack the whole binary version of CIFAR-10")
    train = [_read(folder / name, num_labels=1, num_classes=10) for name in names]
    test = _read(folder / CIFAR10_TEST, num_labels=1, num_classes=10)
    return join(folder.name, _concatenated(train), test, num_classes=10)


def load_cifar100_folder(folder: Path) -> DataSet:
    """Read ``train.bin`` and ``test.bin``, memory-mapped: x (N, 3, 32, 32) uint8, the 100 fine classes.

    Raises:
        InputError: as for CIFAR-10.
    """
    train, test = (_read(folder / name, num_labels=2, num_classes=100) for name in (CIFAR100_TRAIN, "test.bin"))
    return join(folder.name, train, test, num_classes=100)


def _read(path: Path, *, num_labels: int, num_classes: int) -> Part:
    """Map a file; the last label byte of a row counts (CIFAR-100 has the coarse class before the fine one)."""
    row_nbytes = num_labels + _IMAGE_NBYTES
    with reading(path, "unpack the whole binary version of CIFAR", largest=LARGEST_FILE) as file:
        nbytes = os.fstat(file.fileno()).st_size
        if nbytes == 0 or nbytes % row_nbytes:
            problem = f"holds {nbytes:,} bytes, not a whole number of rows of {row_nbytes:,}"
            raise InputError(path.name, problem, "get the file again; the Python version of CIFAR does not do")
        rows = np.memmap(file, dtype=np.uint8, mode="r", shape=(nbytes // row_nbytes, row_nbytes))
    labels: NDArray[Any] = np.array(rows[:, num_labels - 1])
    check_classes(labels, num_classes, path.name)
    return Part(path.name, rows[:, num_labels:].reshape(-1, *_IMAGE), labels)


def _concatenated(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    return Part("data_batch_*.bin", np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]))
