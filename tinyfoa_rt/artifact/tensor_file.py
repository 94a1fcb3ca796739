"""Tensors in a safetensors file, read and written with numpy alone, so that a board needs no other package.

The file may come from anywhere: nothing in it is executed, and no memory is taken before the header is checked against the
size of the file.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.digest import Digest
from tinyfoa_rt.artifact.tensor_header import LENGTH_NBYTES, TensorEntry, encode_header, layout, parse_header
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import Append, reading, replacing
from tinyfoa_rt.names import elide
from tinyfoa_rt.units import format_nbytes

__all__ = ["TensorFile", "check_finite", "digest_tensors", "is_finite", "read_tensors", "write_tensors"]

# The format allows 100 MB; JSON takes about ten times its length in memory while it is read.
_LONGEST_HEADER = 2**24
_PIECE_NUMEL = 2**18
_AGAIN = "get the file again"


@dataclass(frozen=True)
class TensorFile:
    """What a file holds: tensors by name in the byte order of the machine, and strings by name."""

    tensors: dict[str, NDArray[Any]]
    metadata: dict[str, str]


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> Digest:
    """Write ``tensors`` to ``path`` piece by piece and return the file's digest; a power cut leaves the old one or the new one.

    The same tensors and metadata give the same bytes. The elements begin at a multiple of 64 bytes.

    Args:
        path: of the file, which may be there already.
        tensors: of type bool, int8, uint8, int32, int64, float16, float32 or float64, finite, any shape and strides.
        metadata: strings that go into the header.

    Raises:
        InputError: the file cannot be written, or a tensor holds NaN or Inf: nothing is replaced by a failed training.
    """
    check_finite(path, tensors)
    with replacing(path) as append:
        return _digested(tensors, metadata, append)


def check_finite(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Refuse to write to ``path`` what a failed training has left.

    Raises:
        InputError: a tensor holds NaN or Inf.
    """
    for name, array in tensors.items():
        if not is_finite(array):
            problem = f"is not written: tensor '{elide(name)}' holds NaN or Inf"
            raise InputError(str(path), problem, "the training has diverged: lower the rate")


def digest_tensors(tensors: Mapping[str, NDArray[Any]]) -> Digest:
    """Return the digest of the file that :func:`write_tensors` would write, without metadata."""
    return _digested(tensors, {}, lambda _: None)


def _digested(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str], append: Append) -> Digest:
    entries = layout(tensors)
    header = encode_header(entries, metadata)
    hasher, nbytes = hashlib.sha256(header), len(header)
    append(header)
    for entry in entries:
        array = np.ascontiguousarray(tensors[entry.name], dtype=entry.dtype)
        content = array.reshape(-1).view(np.uint8).data
        append(content)
        hasher.update(content)
        nbytes += content.nbytes
    return Digest(nbytes, hasher.hexdigest())


def read_tensors(path: Path, *, mapped: bool = False, digest: Digest | None = None, mend: str = _AGAIN) -> TensorFile:
    """Read a file of tensors.

    Args:
        path: of the file.
        mapped: leave the elements in the file and return read-only views of them; else they are copied to RAM, writable.
        digest: of the file in a folder from outside, which is then not reached through a link.
        mend: what to do where the file is not the one of the digest.

    Raises:
        InputError: no such file, not that of ``digest``, no safetensors file, damaged, a type that is not read here, NaN.
    """
    with reading(path, mend, largest=sys.maxsize, follows_links=digest is None) as file:
        if digest is not None:
            digest.check(file, str(path), mend)
        file_nbytes = os.fstat(file.fileno()).st_size
        header = _read_header(file, file_nbytes, str(path))
        start = LENGTH_NBYTES + len(header)
        entries, metadata = parse_header(header, file_nbytes - start, str(path))
        if mapped:
            content = np.memmap(file, dtype=np.uint8, mode="r", shape=(file_nbytes,)).view(np.ndarray)
            pieces = [content[start + entry.start : start + entry.stop] for entry in entries]
        else:
            pieces = [_read_piece(file, entry, str(path)) for entry in entries]
    return TensorFile({entry.name: _array_of(piece, entry, str(path)) for entry, piece in zip(entries, pieces)}, metadata)


def _read_header(file: BufferedReader, file_nbytes: int, place: str) -> bytes:
    start = file.read(LENGTH_NBYTES)
    length = int.from_bytes(start, "little")
    if len(start) < LENGTH_NBYTES or length > file_nbytes - LENGTH_NBYTES:
        raise InputError(place, "is no safetensors file: it ends inside its header", _AGAIN)
    if length > _LONGEST_HEADER:
        problem = f"has a header of {format_nbytes(length)}, the limit is {format_nbytes(_LONGEST_HEADER)}"
        raise InputError(place, problem, "store fewer tensors in a file")
    header = file.read(length)
    if len(header) < length:
        raise InputError(place, "ends inside its header", _AGAIN)
    return header


def _read_piece(file: BufferedReader, entry: TensorEntry, place: str) -> NDArray[np.uint8]:
    """Read the next tensor into memory of its own; the size is checked against the file already."""
    nbytes = entry.stop - entry.start
    try:
        piece = np.empty(nbytes, dtype=np.uint8)
    except MemoryError as error:
        raise InputError(place, f"needs {format_nbytes(nbytes)} of memory", "use a machine with more memory") from error
    filled = 0
    while filled < nbytes:
        count = file.readinto(piece.data[filled:])
        if not count:
            raise InputError(place, f"ends inside tensor '{elide(entry.name)}'", _AGAIN)
        filled += count
    return piece


def _array_of(piece: NDArray[np.uint8], entry: TensorEntry, place: str) -> NDArray[Any]:
    """Return the bytes as a tensor of its type, checked to hold values of that type."""
    if entry.dtype == np.bool_ and piece.max(initial=0) > 1:
        raise InputError(place, f"tensor '{elide(entry.name)}' holds bytes that are neither true nor false", _AGAIN)
    array = piece.view(entry.dtype).reshape(entry.shape)
    if not is_finite(array):
        raise InputError(place, f"tensor '{elide(entry.name)}' holds NaN or Inf", "use a file from before the training diverged")
    return array.astype(entry.dtype.newbyteorder("="), copy=False)


def is_finite(array: NDArray[Any]) -> bool:
    """Whether no element is NaN or infinite; looked at in pieces, to take no memory of the array's size."""
    if array.dtype.kind != "f":
        return True
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel()
    return all(bool(np.isfinite(flat[i : i + _PIECE_NUMEL]).all()) for i in range(0, flat.size, _PIECE_NUMEL))
