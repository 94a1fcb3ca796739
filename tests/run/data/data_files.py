"""Small files in the formats that are read."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import load_data

IDX_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_IDX_TYPES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def images(count: int, shape: tuple[int, ...] = (4, 3), seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def labels(count: int, num_classes: int = 3) -> NDArray[np.uint8]:
    return (np.arange(count) % num_classes).astype(np.uint8)


def idx_bytes(array: NDArray[Any]) -> bytes:
    header = struct.pack(">HBB", 0, _IDX_TYPES[array.dtype.str[1:]], array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx_folder(folder: Path, *, packed: bool = False, **replaced: bytes) -> Path:
    """Write 12 training and 6 test images; ``train_images=b"..."`` and so on replace a file's (unpacked) content."""
    folder.mkdir()
    arrays = (images(12), labels(12), images(6, seed=1), labels(6))
    for name, key, array in zip(IDX_NAMES, ("train_images", "train_labels", "test_images", "test_labels"), arrays, strict=True):
        content = replaced.get(key, idx_bytes(array))
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return folder


def cifar_rows(count: int, num_labels: int, num_classes: int, seed: int = 0) -> NDArray[np.uint8]:
    """Rows of label bytes, of which the last is the class, and pixels."""
    rows = images(count, (num_labels + 3072,), seed)
    rows[:, num_labels - 1] = labels(count, num_classes)
    return rows


def arrays(count: int = 12) -> dict[str, NDArray[Any]]:
    """What an .npz holds."""
    return {"x_train": images(count), "y_train": labels(count), "x_test": images(6, seed=1), "y_test": labels(6)}


def refusal(spec: Path | str) -> str:
    """The one line with which data are refused; fails where they are not."""
    try:
        load_data(str(spec))
    except InputError as error:
        assert "\n" not in str(error)
        assert error.mend
        return str(error)
    raise AssertionError("the data were not refused")
