"""Reads a known number of bytes from a compressed stream, and no more: a small file must not fill the memory."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.units import format_nbytes

__all__ = ["LARGEST_FILE", "LARGEST_NBYTES", "ByteStream", "read_exactly"]

# A set that is memory-mapped may be larger than RAM.
LARGEST_FILE = 2**40
# What is unpacked lies in RAM whole; larger sets are stored unpacked and memory-mapped, or do not belong on this machine.
LARGEST_NBYTES = 2**32
# Deflate codes at most 258 bytes in 2 bits.
_LARGEST_RATIO = 1032
_PIECE_NBYTES = 2**20


class ByteStream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_exactly(stream: ByteStream, nbytes: int, packed_nbytes: int, place: str) -> NDArray[np.uint8]:
    """Return the rest of ``stream``, which must be ``nbytes`` long, as a writable vector.

    Args:
        stream: at the first byte wanted.
        nbytes: what a header says; checked against the packed size before memory is taken.
        packed_nbytes: of the deflated data.
        place: what messages begin with.

    Raises:
        InputError: the size is beyond what the file can hold or beyond 4 GiB, or the stream is shorter or longer.
    """
    if nbytes > packed_nbytes * _LARGEST_RATIO:
        problem = f"the header says {nbytes:,} bytes, more than {packed_nbytes:,} packed bytes can hold"
        raise InputError(place, problem, "get the file again")
    if nbytes > LARGEST_NBYTES:
        problem = f"unpacks to {format_nbytes(nbytes)}, the limit is {format_nbytes(LARGEST_NBYTES)}"
        raise InputError(place, problem, "store fewer samples in a file")
    try:
        content = np.empty(nbytes, dtype=np.uint8)
    except MemoryError as error:
        raise InputError(place, f"needs {format_nbytes(nbytes)} of memory", "store fewer samples in a file") from error
    filled = 0
    while filled < nbytes:
        piece = stream.read(min(_PIECE_NBYTES, nbytes - filled))
        if not piece:
            raise InputError(place, f"ends after {filled:,} of {nbytes:,} bytes of data", "get the file again")
        content[filled : filled + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        filled += len(piece)
    if stream.read(1):
        raise InputError(place, f"goes on after the {nbytes:,} bytes that its header says", "get the file again")
    return content
