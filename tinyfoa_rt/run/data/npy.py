"""An array of numpy, .npy: read by a parser of its own instead of ``numpy.load``, which evaluates the header.

Nothing is evaluated or unpickled, and no memory is taken before the sizes that the header says are checked.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import reading
from tinyfoa_rt.run.data.stream import LARGEST_FILE, ByteStream

__all__ = ["ArrayHeader", "map_array", "read_header"]

_MEND = "write it with numpy.save or numpy.savez"
_MAGIC = b"\x93NUMPY"
_LENGTH_NBYTES = {1: 2, 2: 4, 3: 4}
_LONGEST_HEADER = 4096
_LARGEST_RANK = 8
# Text of numpy has four bytes a character; a name of a class has few.
_LONGEST_TEXT_NBYTES = 4096
_HEADER = re.compile(
    r"\{'descr': '(?P<descr>[<>|=]?[a-zA-Z]\d{0,9})', 'fortran_order': (?P<order>True|False), "
    r"'shape': \((?P<shape>(?:\d{1,18}, ?)*(?:\d{1,18})?)\),? ?\}\s*"
)


@dataclass(frozen=True)
class ArrayHeader:
    """What an array is: its type, its shape, and whether the first axis runs fastest."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_fortran: bool

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def array(self, content: NDArray[np.uint8]) -> NDArray[Any]:
        """Return ``content``, ``nbytes`` long, as the array, in the byte order of the machine."""
        elements = content.view(self.dtype)
        array = elements.reshape(self.shape[::-1]).T if self.is_fortran else elements.reshape(self.shape)
        return array.astype(self.dtype.newbyteorder("="), copy=False)


def read_header(file: ByteStream, place: str) -> ArrayHeader:
    """Read the header of an array: of numbers, or of text.

    Raises:
        InputError: no array of numpy, damaged, pickled objects, empty, or of more than eight axes.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != _MAGIC or start[6] not in _LENGTH_NBYTES:
        raise InputError(place, "is no array of numpy", _MEND)
    length = int.from_bytes(file.read(_LENGTH_NBYTES[start[6]]), "little")
    header = file.read(min(length, _LONGEST_HEADER)).decode("latin-1")
    match = _HEADER.fullmatch(header)
    if match is None or length > _LONGEST_HEADER:
        raise InputError(place, "has a header that is not that of a plain array", _MEND)
    kind = match["descr"].lstrip("<>|=")
    if kind[0] not in "biufUS":
        problem = "holds pickled objects" if kind[0] == "O" else f"has the type '{match['descr']}'"
        raise InputError(place, problem, "store numbers, uint8 or float32")
    try:
        dtype = np.dtype(match["descr"])
    except TypeError as error:
        raise InputError(place, f"has the unknown type '{match['descr']}'", "store uint8 or float32") from error
    if dtype.kind in "US" and not 0 < dtype.itemsize <= _LONGEST_TEXT_NBYTES:
        raise InputError(place, f"holds texts of {dtype.itemsize:,} bytes", "store short names as labels")
    shape = tuple(int(size) for size in match["shape"].replace(",", " ").split())
    if len(shape) > _LARGEST_RANK:
        raise InputError(place, f"has {len(shape)} axes, the limit is {_LARGEST_RANK}", "store samples as (N, ...)")
    if 0 in shape:
        raise InputError(place, f"is empty, shape {shape}", "give at least one sample")
    return ArrayHeader(dtype, shape, match["order"] == "True")


def map_array(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file, memory-mapped.

    Raises:
        InputError: as :func:`read_header`, or the file is shorter or longer than its header says.
    """
    with reading(path, "get the file again", largest=LARGEST_FILE) as file:
        header, start = read_header(file, path.name), file.tell()
        found = os.fstat(file.fileno()).st_size - start
        if found != header.nbytes:
            problem = f"has {found:,} bytes of data, its header says {header.nbytes:,}"
            raise InputError(path.name, problem, "get the file again")
        return header.array(np.memmap(file, dtype=np.uint8, mode="r", offset=start, shape=(found,)))
