"""Stored weights must be numbers: one NaN in a frozen layer makes every result of the model NaN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.nodes import is_default_domain, read_names
from tinyfoa_rt.model.tensors import external_bytes

__all__ = ["check_finite"]

_PIECE_NBYTES = 2**22
# The unsigned type of each format's bits, and those that are all set in NaN and Inf.
_EXPONENTS: Mapping[int, tuple[str, int]] = {
    TensorProto.FLOAT: ("<u4", 0x7F80_0000),
    TensorProto.DOUBLE: ("<u8", 0x7FF0_0000_0000_0000),
    TensorProto.FLOAT16: ("<u2", 0x7C00),
    TensorProto.BFLOAT16: ("<u2", 0x7F80),
}
# Infinity means something as a bound or in a mask, but not where it is multiplied.
_MULTIPLYING = frozenset(
    ("BatchNormalization", "Conv", "ConvTranspose", "GRU", "Gemm", "GroupNormalization", "InstanceNormalization",
     "LSTM", "LayerNormalization", "MatMul", "Mul", "PRelu", "RNN")
)  # fmt: skip


def check_finite(draft: Draft) -> None:
    """Read every stored real tensor that a node uses, 4 MiB at a time.

    Raises:
        ModelError: one holds NaN, or one that is multiplied holds Inf.
    """
    is_multiplied: dict[str, bool] = {}
    for node in draft.nodes:
        multiplies = is_default_domain(node) and node.op_type in _MULTIPLYING
        for name in read_names(node):
            if name in draft.tensors and draft.tensors[name].data_type in _EXPONENTS:
                is_multiplied[name] = is_multiplied.get(name, False) or multiplies
    for name, multiplied in is_multiplied.items():
        _check_tensor(draft.tensors[name], draft.folder, f"initializer '{name}'", may_be_infinite=not multiplied)


def _check_tensor(tensor: onnx.TensorProto, folder: Path, place: str, *, may_be_infinite: bool) -> None:
    _, exponent = _EXPONENTS[tensor.data_type]
    sign = 1 << (exponent.bit_length())
    for bits in _pieces(tensor, folder, place):
        found = bits[bits & exponent == exponent]
        if may_be_infinite:
            found = found[found & (sign - 1) != exponent]
        if found.size:
            problem = "holds NaN" if may_be_infinite else "holds NaN or Inf"
            raise ModelError(place, problem, "train or export the model again: its results are no numbers")


def _pieces(tensor: onnx.TensorProto, folder: Path, place: str) -> Iterator[NDArray[np.unsignedinteger]]:
    """The elements' bits."""
    dtype, _ = _EXPONENTS[tensor.data_type]
    if tensor.data_location == TensorProto.EXTERNAL:
        stored = external_bytes(tensor, folder, place)
    else:
        content = tensor.raw_data if tensor.HasField("raw_data") else numpy_helper.to_array(tensor).tobytes()
        stored = np.frombuffer(content, np.uint8)
    for start in range(0, len(stored), _PIECE_NBYTES):
        yield stored[start : start + _PIECE_NBYTES].view(dtype)
