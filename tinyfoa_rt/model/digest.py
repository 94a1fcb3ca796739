"""The SHA-256 by which a plan knows its model again."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import onnx
from onnx import TensorProto

from tinyfoa_rt.files import reading
from tinyfoa_rt.model.draft import all_tensors
from tinyfoa_rt.model.tensors import external_bytes

__all__ = ["sha256_of"]

_PIECE_NBYTES = 2**20


def sha256_of(model: onnx.ModelProto, path: Path) -> str:
    """Return the SHA-256 of the file at ``path`` and, behind it, of the external data of its tensors in the file's order.

    Args:
        model: the file, parsed; its tensors are checked.
        path: of the file.
    """
    digest = hashlib.sha256()
    with reading(path, "check the path", largest=sys.maxsize) as file:
        while piece := file.read(_PIECE_NBYTES):
            digest.update(piece)
    for place, tensor in all_tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            content = external_bytes(tensor, path.parent, place)
            for start in range(0, len(content), _PIECE_NBYTES):
                digest.update(content[start : start + _PIECE_NBYTES].data)
    return digest.hexdigest()
