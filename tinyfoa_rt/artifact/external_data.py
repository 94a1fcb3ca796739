"""Refuses ONNX graphs from outside that would let onnxruntime open another file: their data must lie in them.

Fields are walked only where a tensor can be: their numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.artifact.wire import BYTES, fields
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
    "tensor": {},
}
_NODE_OPERATOR, _TENSOR_EXTERNAL = 4, 13
# An operator of onnxruntime whose content may be in a file that it names.
_FILE_OPERATOR = b"EPContext"
# The key under which a tensor names its file.
_LOCATION = b"location"
_MEND = "build the artifact again"


def refuse_external_data(content: bytes, place: str) -> None:
    """Check a serialized ``ModelProto``; ``place`` is what a message begins with.

    Raises:
        InputError: a tensor has its data in another file, a node is one that reads files, or this cannot be told.
    """
    if not any(word in content for word in (_LOCATION, _FILE_OPERATOR)):
        return  # without these words there is nothing to look for, and most models have neither
    pending = [("model", 0, len(content))]
    while pending:
        kind, start, stop = pending.pop()
        for number, wire, first, last in fields(content, start, stop, place):
            if kind == "tensor" and number == _TENSOR_EXTERNAL:
                raise InputError(place, "has a tensor whose data lie in another file", _MEND)
            if number in _INSIDE[kind]:
                if wire != BYTES:
                    raise InputError(place, "is no ONNX model: a field is of another type", _MEND)
                pending.append((_INSIDE[kind][number], first, last))
            elif kind == "node" and number == _NODE_OPERATOR and content[first:last] == _FILE_OPERATOR:
                raise InputError(place, f"has a node {_FILE_OPERATOR.decode()}, which reads another file", _MEND)
