"""An .npz with x_train and y_train, and x_test and y_test where there is a split already.

The file is read by a parser of its own instead of ``numpy.load``: it evaluates no header, unpickles nothing, and takes no
memory before the sizes that the header says are checked against the archive.
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import reading
from tinyfoa_rt.run.data.data_set import DataSet, Inputs
from tinyfoa_rt.run.data.named_arrays import join_arrays, whole_arrays
from tinyfoa_rt.run.data.npy import read_header
from tinyfoa_rt.run.data.stream import LARGEST_FILE, read_exactly

__all__ = ["load_npz", "read_npz"]

_SAVE = "write it with numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
# What zipfile raises for damaged archives, besides OSError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OverflowError, struct.error)


def load_npz(path: Path) -> DataSet:
    """Read a set (see :func:`~tinyfoa_rt.run.data.named_arrays.join_arrays`).

    Raises:
        InputError: no zip archive, damaged, pickled, a missing array, or the data do not pass ``join``.
    """
    with _reader(path) as (names, read):
        return join_arrays(path, names, read, _SAVE)


def read_npz(path: Path) -> tuple[Inputs, NDArray[Any] | None]:
    """Read all samples, and their labels where there are any (see :func:`~tinyfoa_rt.run.data.named_arrays.whole_arrays`).

    Raises:
        InputError: as :func:`load_npz`.
    """
    with _reader(path) as (names, read):
        return whole_arrays(path, names, read, _SAVE)


@contextlib.contextmanager
def _reader(path: Path) -> Iterator[tuple[Collection[str], Callable[[str], NDArray[Any]]]]:
    """The names of the arrays, and what reads one of them."""
    try:
        with reading(path, "get the file again", largest=LARGEST_FILE) as file, zipfile.ZipFile(file) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            yield names, partial(_read_array, archive, path)
    except _DAMAGE as error:
        raise InputError(path.name, f"is no whole .npz archive ({error})", _SAVE) from error


def _read_array(archive: zipfile.ZipFile, path: Path, name: str) -> NDArray[Any]:
    place = f"{path.name}, {name}"
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(place, "is packed by a method other than deflate", _SAVE)
    if info.compress_size > path.stat().st_size:
        raise InputError(place, "is longer than the file", _SAVE)
    with archive.open(info) as file:
        header = read_header(file, place)
        return header.array(read_exactly(file, header.nbytes, info.compress_size, place))
