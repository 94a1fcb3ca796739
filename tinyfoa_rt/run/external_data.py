"""Refuses ONNX graphs from outside that would let onnxruntime open another file: their data must lie in them.

The wire format of protobuf is walked without a package, field by field, only where a tensor can be: numbers of fields are
those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. What protobuf's own parsers read leniently is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyfoa_rt.errors import InputError

__all__ = ["refuse_external_data"]

# For each message the fields that hold messages in which a tensor can be.
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
_NODE_OPERATOR, _TENSOR_EXTERNAL, _ENTRY_KEY, _ENTRY_VALUE = 4, 13, 1, 2
# An operator of onnxruntime whose content may be in a file that it names.
_FILE_OPERATOR = b"EPContext"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_MEND = "build the artifact again"


def refuse_external_data(content: bytes, place: str, *, allowed: str = "") -> None:
    """Check a serialized ``ModelProto``.

    Args:
        content: the model.
        place: what a message begins with.
        allowed: the one file, beside the model, that its tensors may name.

    Raises:
        InputError: a tensor has its data in another file, a node is one that reads files, or this is no protobuf.
    """
    pending = [("model", 0, len(content))]
    while pending:
        kind, start, stop = pending.pop()
        entry: dict[int, bytes] = {}
        for number, wire, first, last in _fields(content, start, stop, place):
            if number in _INSIDE[kind]:
                if wire != _BYTES:
                    raise InputError(place, "is no ONNX model: a field is of another type", _MEND)
                pending.append((_INSIDE[kind][number], first, last))
            elif kind == "node" and number == _NODE_OPERATOR and content[first:last] == _FILE_OPERATOR:
                raise InputError(place, f"has a node {_FILE_OPERATOR.decode()}, which reads another file", _MEND)
            elif kind == "entry":
                entry[number] = content[first:last]
        if kind == "entry" and not _is_harmless(entry, allowed):
            raise InputError(place, "has a tensor whose data lie in another file", _MEND)


def _is_harmless(entry: Mapping[int, bytes], allowed: str) -> bool:
    """Whether an entry of a tensor's external data says the file that is allowed, or where in it."""
    key, value = entry.get(_ENTRY_KEY, b""), entry.get(_ENTRY_VALUE, b"")
    return bool(allowed) and (key in (b"offset", b"length") or (key == b"location" and value == allowed.encode()))


def _fields(content: bytes, start: int, stop: int, place: str) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, and bounds of the value of each field."""
    at = start
    while at < stop:
        tag, at = _varint(content, at, stop, place)
        number, wire = tag >> 3, tag & 7
        first = at
        if wire == _VARINT:
            _, at = _varint(content, at, stop, place)
        elif wire == _BYTES:
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
