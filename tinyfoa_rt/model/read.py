"""Bytes on disk -> ``ModelProto``, and which operator sets it asks for."""

from __future__ import annotations

from pathlib import Path

import onnx

from tinyfoa_rt.errors import InputError, ModelError, UnsupportedError
from tinyfoa_rt.files import read_whole
from tinyfoa_rt.model.text import check_text

__all__ = ["LARGEST_FILE", "NEWEST_OPSET", "OLDEST_OPSET", "read_model", "read_opsets"]

OLDEST_OPSET = 7
NEWEST_OPSET = min(24, onnx.defs.onnx_opset_version())
LARGEST_FILE = 2**31 - 1  # a protobuf message holds no more
_NOT_ONNX = "give an .onnx file that onnx.load can read"


def read_model(path: Path) -> onnx.ModelProto:
    """Return the parsed file, unchecked but for its outer form.

    Raises:
        ModelError: the file is absent, not a regular file, empty, damaged, holds no graph or names that are not text.
    """
    place = str(path)
    content = _read_bytes(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's DecodeError, of a package without types
        raise ModelError(place, "is not an ONNX model, or is damaged or cut short", _NOT_ONNX) from error
    if not model.HasField("graph"):
        raise ModelError(place, "holds no graph", _NOT_ONNX)
    check_text(model, place)
    return model


def _read_bytes(path: Path) -> bytes:
    try:
        content = read_whole(path, "check the path; weights of 2 GiB and more go beside the model", largest=LARGEST_FILE)
    except InputError as error:
        raise ModelError(error.place, error.problem, error.mend) from error
    if not content:
        raise ModelError(str(path), "is empty", _NOT_ONNX)
    return content


def read_opsets(model: onnx.ModelProto, place: str) -> dict[str, int]:
    """Return the version of each operator domain; the default domain is the empty string and always there.

    Raises:
        ModelError: no operator set is named, or one is named twice with different versions.
        UnsupportedError: the default domain's version is outside 7 to 24.
    """
    if not model.opset_import:
        raise ModelError(place, "names no operator set", "export it again with opset 18")
    opsets: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if opsets.setdefault(domain, entry.version) != entry.version:
            raise ModelError(place, f"names two versions of the operator set '{domain or 'ai.onnx'}'", "export it again")
    for entry in (entry for function in model.functions for entry in function.opset_import):
        opsets.setdefault("" if entry.domain == "ai.onnx" else entry.domain, entry.version)
    version = opsets.setdefault("", NEWEST_OPSET)  # absent where no node is of the default domain
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        problem = f"uses opset {version}, read are {OLDEST_OPSET} to {NEWEST_OPSET}"
        raise UnsupportedError(place, problem, "export it with opset 18, or convert it with onnx.version_converter")
    return opsets
