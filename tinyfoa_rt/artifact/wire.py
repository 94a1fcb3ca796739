"""The wire format of protobuf, walked field by field without a package; what its own parsers read leniently is refused."""

from __future__ import annotations

from collections.abc import Iterator

from tinyfoa_rt.errors import InputError

__all__ = ["BYTES", "fields"]

_VARINT, _FIXED64, BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_MEND = "build the artifact again"


def fields(content: bytes, start: int, stop: int, place: str) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, and bounds of the value of each field."""
    at = start
    while at < stop:
        tag, at = _varint(content, at, stop, place)
        number, wire = tag >> 3, tag & 7
        first = at
        if wire == _VARINT:
            _, at = _varint(content, at, stop, place)
        elif wire == BYTES:
            nbytes, first = _varint(content, at, stop, place)
            at = first + nbytes
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise InputError(place, "is no ONNX model: a field of no known type", _MEND)
        if at > stop or not 0 < number < 2**29:
            raise InputError(place, "is no ONNX model, or is cut short", _MEND)
        yield number, wire, first, at


def _varint(content: bytes, at: int, stop: int, place: str) -> tuple[int, int]:
    """A number and where the next field begins."""
    number = 0
    for shift in range(_LONGEST_VARINT):
        if at + shift >= stop:
            break
        byte = content[at + shift]
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return number, at + shift + 1
    raise InputError(place, "is no ONNX model, or is cut short", _MEND)
