"""The forward kernels with ONNX's own arguments: what the exporter lowers, done here for the tests."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int32, c_void_p
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.kernel_library import call

__all__ = ["ConvShape", "ForwardKernels", "Window"]

Array = NDArray[np.float32]
_MAX_RANK = 6
_PAIR = c_int32 * 2


class Window(ctypes.Structure):
    _fields_ = [(name, _PAIR) for name in ("in_size", "out_size", "kernel", "stride", "dilation", "pad_begin", "pad_end")]


class ConvShape(ctypes.Structure):
    _fields_ = [("window", Window), *((name, c_int32) for name in ("batch", "groups", "in_channels", "out_channels"))]


class _GemmShape(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("rows", "columns", "inner", "trans_a", "trans_b", "c_row_stride", "c_column_stride")),
        ("alpha", c_float),
        ("beta", c_float),
    ]


class _MatmulShape(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("rows", "columns", "inner", "batch_rank")),
        *((name, c_int32 * (_MAX_RANK - 2)) for name in ("batch_size", "a_stride", "b_stride")),
    ]


class _Strides(ctypes.Structure):
    _fields_ = [("rank", c_int32), *((name, c_int32 * _MAX_RANK) for name in ("size", "a_stride", "b_stride"))]


class _TransposeShape(ctypes.Structure):
    _fields_ = [("rank", c_int32), ("size", c_int32 * _MAX_RANK), ("perm", c_int32 * _MAX_RANK)]


class Channels(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("samples", "channels", "positions")]


class Normalization(ctypes.Structure):
    _fields_ = [*((name, c_void_p) for name in ("gain", "shift", "mean", "variance")), ("epsilon", c_float)]


class LrnShape(ctypes.Structure):
    _fields_ = [("of", Channels), ("size", c_int32), *((name, c_float) for name in ("alpha", "beta", "bias"))]


class ForwardKernels:
    """Each method is an ONNX operator: float32 arrays in, a new float32 array out."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def conv(self, x: Array, w: Array, bias: Array | None, window: Window, groups: int) -> Array:
        y = _empty(len(x), len(w), *_image_size(window.out_size, x.ndim))
        shape = ConvShape(window, len(x), groups, x.shape[1], len(w))
        call(self.library, "tfoa_conv", shape, x, w, bias, y)
        return y

    def conv_transpose(self, x: Array, w: Array, bias: Array | None, window: Window, groups: int) -> Array:
        """``window`` is that of the convolution from y to x."""
        channels = groups * w.shape[1]
        y = _empty(len(x), channels, *_image_size(window.in_size, x.ndim))
        call(self.library, "tfoa_conv_transpose", ConvShape(window, len(x), groups, channels, x.shape[1]), x, w, bias, y)
        return y

    def max_pool(self, x: Array, window: Window) -> Array:
        y = _empty(*x.shape[:2], *_image_size(window.out_size, x.ndim))
        call(self.library, "tfoa_max_pool", window, prod(x.shape[:2]), x, y)
        return y

    def average_pool(self, x: Array, window: Window, count_include_pad: int) -> Array:
        y = _empty(*x.shape[:2], *_image_size(window.out_size, x.ndim))
        call(self.library, "tfoa_average_pool", window, prod(x.shape[:2]), count_include_pad, x, y)
        return y

    def global_average_pool(self, x: Array) -> Array:
        y = _empty(*x.shape[:2], *(1 for _ in x.shape[2:]))
        call(self.library, "tfoa_global_average_pool", prod(x.shape[:2]), prod(x.shape[2:]), x, y)
        return y

    def gemm(self, a: Array, b: Array, c: Array | None, **attributes: Any) -> Array:
        trans_a, trans_b = attributes["transA"], attributes["transB"]
        rows, inner = a.shape[::-1] if trans_a else a.shape
        columns = b.shape[0] if trans_b else b.shape[1]
        c_strides = (0, 0) if c is None else _strides(np.broadcast_to(c, (rows, columns)))
        shape = _GemmShape(rows, columns, inner, trans_a, trans_b, *c_strides, attributes["alpha"], attributes["beta"])
        y = _empty(rows, columns)
        call(self.library, "tfoa_gemm", shape, a, b, c, y)
        return y

    def matmul(self, a: Array, b: Array) -> Array:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a_all, b_all = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])
        shape = _MatmulShape(a.shape[-2], b.shape[-1], a.shape[-1], len(batch))
        _fill(shape.batch_size, batch)
        _fill(shape.a_stride, _strides(a_all)[:-2])
        _fill(shape.b_stride, _strides(b_all)[:-2])
        y = _empty(*batch, a.shape[-2], b.shape[-1])
        call(self.library, "tfoa_matmul", shape, a, b, y)
        return y

    def arithmetic(self, name: str, a: Array, b: Array) -> Array:
        """Add, Sub, Mul or Div, by its name in lower case."""
        size = np.broadcast_shapes(a.shape, b.shape)
        shape = _strides_over(size, np.broadcast_to(a, size), np.broadcast_to(b, size))
        y = _empty(*size)
        call(self.library, f"tfoa_{name}", shape, a, b, y)
        return y

    def copy_box(self, a: Array, b: Array) -> None:
        """Copy a view of an array into one of the same shape."""
        self._box("tfoa_copy_box", a, b)

    def add_box(self, a: Array, b: Array) -> None:
        """Add a view of an array to one of the same shape, which may repeat its elements."""
        self._box("tfoa_add_box", a, b)

    def elementwise(self, name: str, x: Array, *numbers: float) -> Array:
        return self._elementwise(f"tfoa_{name}", x, *numbers)

    def batch_normalization(self, x: Array, parameters: Sequence[Array], epsilon: float) -> Array:
        """``parameters`` are gain, shift, mean and variance."""
        y = _empty(*x.shape)
        by = Normalization(*(each.ctypes.data for each in parameters), epsilon)
        call(self.library, "tfoa_batch_normalization", _channels(x), by, x, y)
        return y

    def lrn(self, x: Array, size: int, *, alpha: float, beta: float, bias: float) -> Array:
        y = _empty(*x.shape)
        call(self.library, "tfoa_lrn", LrnShape(_channels(x), size, alpha, beta, bias), x, y)
        return y

    def relu(self, x: Array) -> Array:
        return self._elementwise("tfoa_relu", x)

    def clip(self, x: Array, low: float, high: float) -> Array:
        return self._elementwise("tfoa_clip", x, float(low), float(high))

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return self._elementwise("tfoa_reshape", x).reshape(shape)

    def transpose(self, x: Array, perm: Sequence[int]) -> Array:
        shape = _TransposeShape(x.ndim)
        _fill(shape.size, x.shape)
        _fill(shape.perm, perm)
        y = _empty(*(x.shape[axis] for axis in perm))
        call(self.library, "tfoa_transpose", shape, x, y)
        return y

    def softmax(self, x: Array, axis: int) -> Array:
        axis %= x.ndim
        y = _empty(*x.shape)
        call(self.library, "tfoa_softmax", prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]), x, y)
        return y

    def _box(self, name: str, a: Array, b: Array) -> None:
        assert a.shape == b.shape
        call(self.library, name, _strides_over(a.shape, a, b), c_void_p(a.ctypes.data), c_void_p(b.ctypes.data))

    def _elementwise(self, name: str, x: Array, *numbers: float) -> Array:
        y = _empty(*x.shape)
        call(self.library, name, x.size, *numbers, x, y)
        return y


def _empty(*shape: int) -> Array:
    # NaN, so that an element that no kernel wrote cannot pass for a right one.
    return np.full(shape, np.nan, np.float32)


def _image_size(size: Any, rank: int) -> list[int]:
    return list(size)[4 - rank :]


def _strides(array: Array) -> tuple[int, ...]:
    return tuple(stride // array.itemsize for stride in array.strides)


def _strides_over(size: Sequence[int], a: Array, b: Array) -> _Strides:
    shape = _Strides(len(size))
    _fill(shape.size, size)
    _fill(shape.a_stride, _strides(a))
    _fill(shape.b_stride, _strides(b))
    return shape


def _channels(x: Array) -> Channels:
    return Channels(len(x), x.shape[1], prod(x.shape[2:]))


def _fill(field: Any, values: Sequence[int]) -> None:
    for index, value in enumerate(values):
        field[index] = value
