"""An .npz with x_train and y_train, and x_test and y_test where there is a split already.

Of a model with several inputs, NAME_train and NAME_test of each take the place of x; or NAME and y, where there is no split.

The file is read by a parser of its own instead of ``numpy.load``: it evaluates no header, unpickles nothing, and takes no
memory before the sizes that the header says are checked against the archive.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import reading
from tinyfoa_rt.run.data.data_set import DataSet, Part, join, split
from tinyfoa_rt.run.data.stream import LARGEST_FILE, ByteStream, read_exactly

__all__ = ["load_npz"]

_SAVE = "write it with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
_MAGIC = b"\x93NUMPY"
_LENGTH_NBYTES = {1: 2, 2: 4, 3: 4}
_LONGEST_HEADER = 4096
_LARGEST_RANK = 8
_HEADER = re.compile(
    r"\{'descr': '(?P<descr>[<>|=]?[a-zA-Z]\d{0,9})', 'fortran_order': (?P<order>True|False), "
    r"'shape': \((?P<shape>(?:\d{1,18}, ?)*(?:\d{1,18})?)\),? ?\}\s*"
)
# What zipfile raises for damaged archives, besides OSError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OverflowError, struct.error)


def load_npz(path: Path) -> DataSet:
    """Read a set; without ``x_test`` and ``y_test`` a fifth of each class is held back (see ``split_stratified``).

    Images (N, C, H, W) of 2 to 4 channels are normalized by channel, everything else as a whole.

    Raises:
        InputError: no zip archive, damaged, pickled, a missing array, or the data do not pass ``join``.
    """
    try:
        with reading(path, "get the file again", largest=LARGEST_FILE) as file, zipfile.ZipFile(file) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            endings = ("_train", "_test") if names & {"y_test", "x_test"} else ("" if "y" in names else "_train",)
            parts = [_read_part(archive, path, ending) for ending in endings]
    except _DAMAGE as error:
        raise InputError(path.name, f"is no whole .npz archive ({error})", _SAVE) from error
    x = parts[0].x
    axis = 1 if not isinstance(x, Mapping) and x.ndim == 4 and 2 <= x.shape[1] <= 4 else None
    if len(parts) == 1:
        return split(path.stem, parts[0], channel_axis=axis)
    return join(path.stem, *parts, channel_axis=axis)


def _read_part(archive: zipfile.ZipFile, path: Path, ending: str) -> Part:
    """One part: labels, and samples by the names of inputs; where there is but ``x``, as an array."""
    found = [name.removesuffix(".npy") for name in archive.namelist()]
    names = [name.removesuffix(ending) for name in found if name.endswith(ending) and name != f"y{ending}"] or ["x"]
    arrays = {name: _read_array(archive, path, f"{name}{ending}") for name in names}
    y = _read_array(archive, path, f"y{ending}")
    which = ending.removeprefix("_") or "whole"
    return Part(f"{path.name}, {which} set", arrays["x"] if names == ["x"] else arrays, y)


def _read_array(archive: zipfile.ZipFile, path: Path, name: str) -> NDArray[Any]:
    place = f"{path.name}, {name}"
    if f"{name}.npy" not in archive.namelist():
        raise InputError(path.name, f"holds no array '{name}'", _SAVE)
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(place, "is packed by a method other than deflate", _SAVE)
    if info.compress_size > path.stat().st_size:
        raise InputError(place, "is longer than the file", _SAVE)
    with archive.open(info) as file:
        dtype, shape, is_fortran = _read_header(file, place)
        content = read_exactly(file, math.prod(shape) * dtype.itemsize, info.compress_size, place)
    elements = content.view(dtype)
    array = elements.reshape(shape[::-1]).T if is_fortran else elements.reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: ByteStream, place: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Read the header of an array: its type, its shape, and whether the first axis runs fastest."""
    start = file.read(8)
    if len(start) < 8 or start[:6] != _MAGIC or start[6] not in _LENGTH_NBYTES:
        raise InputError(place, "is no array of numpy", _SAVE)
    length = int.from_bytes(file.read(_LENGTH_NBYTES[start[6]]), "little")
    header = file.read(min(length, _LONGEST_HEADER)).decode("latin-1")
    match = _HEADER.fullmatch(header)
    if match is None or length > _LONGEST_HEADER:
        raise InputError(place, "has a header that is not that of a plain array", _SAVE)
    kind = match["descr"].lstrip("<>|=")
    if kind[0] not in "biuf":
        problem = "holds pickled objects" if kind[0] == "O" else f"has the type '{match['descr']}'"
        raise InputError(place, problem, "store numbers, uint8 or float32")
    try:
        dtype = np.dtype(match["descr"])
    except TypeError as error:
        raise InputError(place, f"has the unknown type '{match['descr']}'", "store uint8 or float32") from error
    shape = tuple(int(size) for size in match["shape"].replace(",", " ").split())
    if len(shape) > _LARGEST_RANK:
        raise InputError(place, f"has {len(shape)} axes, the limit is {_LARGEST_RANK}", "store samples as (N, ...)")
    if 0 in shape:
        raise InputError(place, f"is empty, shape {shape}", "give at least one sample")
    return dtype, shape, match["order"] == "True"
