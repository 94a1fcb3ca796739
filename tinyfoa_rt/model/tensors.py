"""Stored tensors: their element types, whether their bytes match their shape, and reading them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model.external import find_external_bytes, map_external_bytes

__all__ = ["ELEMENT_TYPES", "NUMERIC_TYPES", "check_dims", "check_tensor", "dtype_name", "external_bytes", "read_tensor"]

_LARGEST_DIMENSION = 2**31
_LARGEST_SIZE = 2**40
_LARGEST_RANK = 64
_BITS: Mapping[int, int] = {
    TensorProto.FLOAT: 32, TensorProto.DOUBLE: 64, TensorProto.FLOAT16: 16, TensorProto.BFLOAT16: 16,
    TensorProto.INT8: 8, TensorProto.UINT8: 8, TensorProto.BOOL: 8, TensorProto.INT16: 16, TensorProto.UINT16: 16,
    TensorProto.INT32: 32, TensorProto.UINT32: 32, TensorProto.INT64: 64, TensorProto.UINT64: 64,
    TensorProto.COMPLEX64: 64, TensorProto.COMPLEX128: 128, TensorProto.INT4: 4, TensorProto.UINT4: 4,
    TensorProto.FLOAT8E4M3FN: 8, TensorProto.FLOAT8E4M3FNUZ: 8, TensorProto.FLOAT8E5M2: 8, TensorProto.FLOAT8E5M2FNUZ: 8,
}  # fmt: skip
NUMERIC_TYPES = frozenset(_BITS)
ELEMENT_TYPES = frozenset(TensorProto.DataType.values()) - {TensorProto.UNDEFINED}
_NAMES: Mapping[int, str] = {TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64"}
_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
_EXPORT_AGAIN = "export the model again"


def dtype_name(elem_type: int) -> str:
    """Return NumPy's name of an ONNX element type (``float32``), and ONNX's own in lower case where NumPy has none."""
    return _NAMES.get(elem_type) or TensorProto.DataType.Name(elem_type).lower()


def check_dims(dims: tuple[int, ...], place: str, *, is_constant: bool) -> None:
    """Refuse what no tensor can have; only constant vectors may be empty (an absent list of axes or scales).

    Raises:
        ModelError: a dimension is negative, 0 or above 2^31, or the tensor has more than 2^40 elements.
    """
    shown = "x".join(map(str, dims[:8]))
    lowest = 0 if is_constant and len(dims) == 1 else 1
    for dim in dims:
        if not lowest <= dim <= _LARGEST_DIMENSION:
            raise ModelError(place, f"has the dimension {dim} in its shape {shown}", "give every dimension a size from 1 to 2^31")
    if len(dims) > _LARGEST_RANK or math.prod(dims) > _LARGEST_SIZE:
        raise ModelError(place, f"has the shape {shown}, more than 2^40 elements or {_LARGEST_RANK} dimensions", _EXPORT_AGAIN)


def check_tensor(tensor: onnx.TensorProto, folder: Path, place: str) -> None:
    """Check a stored tensor before any library parses it.

    Raises:
        ModelError: the shape is impossible, or the bytes do not match it.
        UnsupportedError: an element type or a way of storage that is not read.
    """
    check_dims(tuple(tensor.dims), place, is_constant=True)
    if tensor.HasField("segment"):
        raise UnsupportedError(place, "is stored in segments", _EXPORT_AGAIN)
    if tensor.data_type != TensorProto.STRING and tensor.data_type not in _BITS:
        raise UnsupportedError(place, f"has the element type {tensor.data_type}, which is not read", "store it as float32")
    if tensor.data_location == TensorProto.EXTERNAL:
        if tensor.data_type == TensorProto.STRING:
            raise ModelError(place, "holds strings as external data", _EXPORT_AGAIN)
        find_external_bytes(tensor, folder, _stored_nbytes(tensor), place)
        return
    _check_inline_data(tensor, place)


def _check_inline_data(tensor: onnx.TensorProto, place: str) -> None:
    field = "string_data" if tensor.data_type == TensorProto.STRING else helper.tensor_dtype_to_field(tensor.data_type)
    found = [name for name in _FIELDS if len(getattr(tensor, name))]
    if tensor.HasField("raw_data"):
        is_sound = tensor.data_type != TensorProto.STRING and not found and len(tensor.raw_data) == _stored_nbytes(tensor)
    else:
        is_sound = found in ([], [field]) and len(getattr(tensor, field)) == _stored_items(tensor)
    if not is_sound:
        shown = "x".join(map(str, tensor.dims))
        raise ModelError(place, f"holds data that does not match {dtype_name(tensor.data_type)} of shape {shown}", _EXPORT_AGAIN)


def _stored_nbytes(tensor: onnx.TensorProto) -> int:
    nbits: int = math.prod(tensor.dims) * _BITS[tensor.data_type]
    return -(-nbits // 8)


def _stored_items(tensor: onnx.TensorProto) -> int:
    """Entries in the typed field: complex numbers take two, types below a byte are packed."""
    size: int = math.prod(tensor.dims)
    if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        return 2 * size
    nbits = _BITS.get(tensor.data_type, 8)
    return size if nbits >= 8 else -(-size * nbits // 8)


def external_bytes(tensor: onnx.TensorProto, folder: Path, place: str) -> NDArray[np.uint8]:
    """Return the bytes of a checked tensor that are stored outside, memory-mapped and read-only.

    Raises:
        ModelError: the external file has changed since it was checked.
    """
    return map_external_bytes(find_external_bytes(tensor, folder, _stored_nbytes(tensor), place))


def read_tensor(tensor: onnx.TensorProto, folder: Path, place: str) -> NDArray[Any]:
    """Return the elements of a checked tensor; external data is memory-mapped, not copied, where NumPy has the type.

    Raises:
        ModelError: the external file has changed since it was checked.
    """
    if tensor.data_location != TensorProto.EXTERNAL:
        return np.asarray(numpy_helper.to_array(tensor))
    raw = external_bytes(tensor, folder, place)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if dtype.isbuiltin == 1 and dtype.itemsize * 8 == _BITS[tensor.data_type]:
        return raw.view(dtype.newbyteorder("<")).reshape(tuple(tensor.dims))
    inline = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=raw.tobytes())
    return np.asarray(numpy_helper.to_array(inline))
