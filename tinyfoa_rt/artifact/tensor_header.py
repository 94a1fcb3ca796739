"""The header of a safetensors file: which tensor lies where.

A file is the length of the header (uint64, little-endian), the header (JSON, padded with spaces), and the elements of the
tensors, little-endian, without gaps between them: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.names import elide
from tinyfoa_rt.strict_json import parse_object

__all__ = ["ALIGNMENT", "LENGTH_NBYTES", "TensorEntry", "encode_header", "layout", "parse_header"]

ALIGNMENT = 64
LENGTH_NBYTES = 8

_METADATA = "__metadata__"
_LARGEST_RANK = 32
_AGAIN = "get the file again"
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


@dataclass(frozen=True)
class TensorEntry:
    """A tensor in a file; ``start`` and ``stop`` are in bytes behind the header, ``dtype`` is little-endian."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


def layout(tensors: Mapping[str, NDArray[Any]]) -> list[TensorEntry]:
    """Place tensors one behind the other: by falling element size, so that each is aligned to its elements, then by name."""
    entries: list[TensorEntry] = []
    stop = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):
        array = tensors[name]
        start, stop = stop, stop + array.nbytes
        entries.append(TensorEntry(name, array.dtype.newbyteorder("<"), array.shape, start, stop))
    return entries


def encode_header(entries: list[TensorEntry], metadata: Mapping[str, str]) -> bytes:
    """Return the length and the header, padded so that the elements behind it begin at a multiple of 64 bytes."""
    assert all(entry.name != _METADATA and entry.dtype in _CODES for entry in entries), "a name or a type outside the format"
    header: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))} if metadata else {}
    for entry in entries:
        place = [entry.start, entry.stop]
        header[entry.name] = {"dtype": _CODES[entry.dtype], "shape": list(entry.shape), "data_offsets": place}
    content = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    content += b" " * (-(LENGTH_NBYTES + len(content)) % ALIGNMENT)
    return len(content).to_bytes(LENGTH_NBYTES, "little") + content


def parse_header(content: bytes, data_nbytes: int, place: str) -> tuple[list[TensorEntry], dict[str, str]]:
    """Return the tensors in the order of their places, and the metadata.

    Args:
        content: the header without its length.
        data_nbytes: what the file holds behind the header.
        place: what messages begin with.

    Raises:
        InputError: no JSON of this format, an unknown type, or tensors that do not fill the data exactly.
    """
    try:
        header = parse_object(content)
    except ValueError as error:
        raise InputError(place, f"is no safetensors file: its header cannot be read ({error})", _AGAIN) from error
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InputError(place, "has metadata that is no table of strings", _AGAIN)
    entries = [_parse_entry(name, fields, f"{place}, tensor '{elide(name)}'") for name, fields in header.items()]
    entries.sort(key=lambda entry: (entry.start, entry.stop))
    _check_places(entries, data_nbytes, place)
    return entries, metadata


def _parse_entry(name: str, fields: object, place: str) -> TensorEntry:
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise InputError(place, "is described by something other than dtype, shape and data_offsets", _AGAIN)
    code, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise InputError(place, f"has the type {elide(str(code))}", f"store one of {', '.join(_DTYPES)}")
    if not _are_sizes(shape) or len(shape) > _LARGEST_RANK:
        raise InputError(place, f"has a shape that is no list of up to {_LARGEST_RANK} sizes", _AGAIN)
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise InputError(place, "has data_offsets that are no start and stop", _AGAIN)
    dtype = _DTYPES[code]
    # numpy multiplies the axes that are not empty even where another one is.
    if math.prod(max(1, size) for size in shape) * dtype.itemsize > sys.maxsize:
        raise InputError(place, "has a shape beyond the address space", _AGAIN)
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes != offsets[1] - offsets[0]:
        problem = f"of shape {shape} takes {nbytes:,} bytes, its data_offsets give it {offsets[1] - offsets[0]:,}"
        raise InputError(place, problem, _AGAIN)
    return TensorEntry(name, dtype, tuple(shape), *offsets)


def _are_sizes(value: object) -> bool:
    """Whether ``value`` is a list of integers from 0 to the size of the address space; ``True`` is no integer here."""
    return isinstance(value, list) and all(type(size) is int and 0 <= size <= sys.maxsize for size in value)


def _check_places(entries: list[TensorEntry], data_nbytes: int, place: str) -> None:
    """Refuse tensors that overlap or leave a hole, or end elsewhere than the file."""
    stop = 0
    for entry in entries:
        if entry.start != stop:
            problem = f"tensor '{elide(entry.name)}' begins at byte {entry.start:,}, the one before it ends at {stop:,}"
            raise InputError(place, problem, _AGAIN)
        stop = entry.stop
    if stop != data_nbytes:
        raise InputError(place, f"holds {data_nbytes:,} bytes of tensors, its header says {stop:,}", _AGAIN)
