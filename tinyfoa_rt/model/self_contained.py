"""A model file as one piece: what an artifact carries, so that it can be exported wherever it is moved to."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model.digest import sha256_of
from tinyfoa_rt.model.draft import all_tensors
from tinyfoa_rt.model.read import LARGEST_FILE, read_model
from tinyfoa_rt.model.tensors import external_bytes

__all__ = ["self_contained"]


def self_contained(path: Path, sha256: str) -> bytes:
    """Return the bytes of a model file with its external data inside; of a file without any as they are.

    Args:
        path: of the file.
        sha256: of the model as it was loaded.

    Raises:
        ModelError: it cannot be read again, or has changed since.
        UnsupportedError: it would be larger than the 2 GiB that a file of ONNX can hold.
    """
    model = read_model(path)
    outside = [(place, tensor) for place, tensor in all_tensors(model) if tensor.data_location == TensorProto.EXTERNAL]
    if sha256_of(model, path) != sha256:
        raise ModelError(str(path), "has changed since it was loaded", "plan and build again")
    if not outside:
        return path.read_bytes()
    contents = [external_bytes(tensor, path.parent, place) for place, tensor in outside]
    if model.ByteSize() + sum(map(len, contents)) > LARGEST_FILE:
        raise UnsupportedError(str(path), "is larger than 2 GiB with its external data", "plan it for onnxruntime")
    for (_, tensor), content in zip(outside, contents):
        tensor.ClearField("data_location")
        tensor.ClearField("external_data")
        tensor.raw_data = content.tobytes()
    return bytes(model.SerializeToString(deterministic=True))
