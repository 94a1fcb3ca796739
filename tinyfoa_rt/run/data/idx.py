"""idx, the format of MNIST: a magic number, the length of each axis, the elements; all big-endian, often gzipped.

The magic number is two zeros, the type of the elements and the number of axes, a byte each; a length is a uint32.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import reading
from tinyfoa_rt.run.data.data_set import DataSet, Part, join
from tinyfoa_rt.run.data.stream import LARGEST_FILE, ByteStream, read_exactly

__all__ = ["TRAIN_IMAGES", "load_idx_folder", "read_idx"]

TRAIN_IMAGES = "train-images-idx3-ubyte"
_PARTS = ((TRAIN_IMAGES, "train-labels-idx1-ubyte"), ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"))
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_LARGEST_RANK = 8
_AGAIN = "get the file again"


def load_idx_folder(folder: Path) -> DataSet:
    """Read the four files of MNIST and its kin, each plain (then memory-mapped) or ``.gz``.

    Raises:
        InputError: a file is missing or damaged, or the data do not pass ``join``.
    """
    parts = []
    for images, labels in _PARTS:
        path = _find(folder, images)
        parts.append(Part(path.name, read_idx(path), read_idx(_find(folder, labels))))
    return join(folder.name, *parts)


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array of an idx file, in the byte order of the machine; a plain file of bytes is memory-mapped.

    Raises:
        InputError: wrong magic number, unknown type, or a size other than the header says.
    """
    is_packed = path.suffix == ".gz"
    try:
        with reading(path, _AGAIN, largest=LARGEST_FILE) as stored:
            file = gzip.GzipFile(fileobj=stored) if is_packed else stored
            dtype, shape = _read_header(file, path.name)
            nbytes, file_nbytes = math.prod(shape) * dtype.itemsize, os.fstat(stored.fileno()).st_size
            if is_packed:
                elements = read_exactly(file, nbytes, file_nbytes, path.name)
            else:
                elements = _map(stored, nbytes, file_nbytes, path.name)
    except (EOFError, zlib.error) as error:
        raise InputError(path.name, f"cannot be read ({error})", _AGAIN) from error
    array = elements.view(dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: ByteStream, place: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _LARGEST_RANK:
        raise InputError(place, f"is no idx file: it begins with '{magic.hex(' ')}'", _AGAIN)
    lengths = file.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise InputError(place, "ends inside its header", _AGAIN)
    shape = tuple(np.frombuffer(lengths, dtype=">u4").tolist())
    if 0 in shape:
        raise InputError(place, f"is empty, shape {shape}", "give at least one sample")
    return np.dtype(_TYPES[magic[2]]), shape


def _map(file: BinaryIO, nbytes: int, file_nbytes: int, place: str) -> NDArray[np.uint8]:
    offset = file.tell()
    if file_nbytes - offset != nbytes:
        raise InputError(place, f"holds {file_nbytes - offset:,} bytes of data, its header says {nbytes:,}", _AGAIN)
    return np.memmap(file, dtype=np.uint8, mode="r", offset=offset, shape=(nbytes,))


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise InputError(folder.name, f"holds no {name} and no {name}.gz", "put the four files of the set into one folder")
