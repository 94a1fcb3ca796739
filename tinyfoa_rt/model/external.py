"""External data: weights in a file beside the model, never anywhere else."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import onnx
from numpy.typing import NDArray

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.files import reading

__all__ = ["ByteRange", "find_external_bytes", "map_external_bytes"]

_BESIDE = "put the file that belongs to the model into the model's own folder"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """``nbytes`` bytes of ``file`` from ``offset`` on; known to lie inside it."""

    file: Path
    offset: int
    nbytes: int


def find_external_bytes(tensor: onnx.TensorProto, folder: Path, nbytes: int, place: str) -> ByteRange:
    """Return where the ``nbytes`` bytes of a tensor lie.

    Raises:
        ModelError: the file is absent or outside ``folder``, or the range is not inside it or not ``nbytes`` long.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    file = _find_file(entries.get("location", ""), folder, place)
    offset = _read_count(entries.get("offset", "0"), "offset", place)
    length = _read_count(entries.get("length", str(nbytes)), "length", place)
    if length != nbytes:
        raise ModelError(place, f"has {length} bytes of external data, its shape needs {nbytes}", "export the model again")
    available = file.stat().st_size
    if offset + length > available:
        problem = f"needs the bytes {offset} to {offset + length} of '{file.name}', which has {available}"
        raise ModelError(place, problem, "copy the whole file beside the model")
    return ByteRange(file, offset, nbytes)


def _find_file(location: str, folder: Path, place: str) -> Path:
    windows, posix = PureWindowsPath(location), PurePosixPath(location)
    leaves_folder = windows.anchor or posix.is_absolute() or ".." in windows.parts or ".." in posix.parts
    if not location or "\0" in location or leaves_folder:
        raise ModelError(place, f"has its external data at '{location}', not inside the model's folder", _BESIDE)
    try:
        file = (folder / location).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, up to Python 3.12
        raise ModelError(place, f"has its external data in '{location}', which is not there", _BESIDE) from error
    if not file.is_relative_to(folder.resolve()):
        raise ModelError(place, f"has its external data at '{location}', a link out of the model's folder", _BESIDE)
    if not file.is_file():
        raise ModelError(place, f"has its external data in '{location}', which is not a file", _BESIDE)
    return file


def _read_count(text: str, what: str, place: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(place, f"has the external data {what} '{text[:24]}'", "export the model again")
    return int(text)


def map_external_bytes(found: ByteRange) -> NDArray[np.uint8]:
    """Return the bytes, memory-mapped and read-only."""
    if found.nbytes == 0:  # an empty range cannot be mapped
        return np.zeros(0, dtype=np.uint8)
    with reading(found.file, _BESIDE, largest=sys.maxsize) as file:
        return np.memmap(file, dtype=np.uint8, mode="r", offset=found.offset, shape=(found.nbytes,))
