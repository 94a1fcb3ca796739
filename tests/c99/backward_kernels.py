"""Kernels called as the domain operators that they are: with the inputs and attributes of a function body (tests/ops)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_float, c_int32, c_void_p
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.c99.drawn_shapes import window_of
from tests.c99.forward_kernels import Channels, LrnShape, Normalization
from tests.c99.kernel_library import call
from tests.c99.kernel_operands import unpacked
from tests.c99.packed_kernels import packed
from tests.ops.body_cases import BodyCase
from tinyfoa_rt.operators.signature import snake_case

__all__ = ["OPERATORS", "run_operator"]

Array = NDArray[Any]
Outputs = tuple[Array, ...]
_LARGEST = float(np.finfo(np.float32).max)


class _ChannelPart(ctypes.Structure):
    _fields_ = [("all", Channels), ("first", c_int32), ("count", c_int32)]


class _Head(ctypes.Structure):
    _fields_ = [
        *(("stored", c_void_p), ("seed", ctypes.c_uint32), ("classes", c_int32), ("units", c_int32), ("gain", c_float)),
        ("integers", c_void_p),
    ]


def run_operator(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    """The outputs of the operator's kernel."""
    return OPERATORS[case.op_type](library, case)


def _channels(value: Array, channel_size: int = 1) -> Channels:
    return Channels(len(value), value.shape[1] // channel_size, prod(value.shape[2:]) * channel_size)


def _part(case: BodyCase, saved: Array, grad: Array) -> _ChannelPart:
    """What the exporter makes of ``origin``: which channels of ``saved`` the gradient is of."""
    size = case.attributes.get("channel_size", 1)
    origin = case.inputs[-1]
    assert origin is not None
    return _ChannelPart(_channels(saved, size), int(origin[1]), grad.shape[1] // size)


def _real(value: Array | None) -> NDArray[np.float32]:
    assert value is not None
    return np.ascontiguousarray(value, dtype=np.float32)


def _rows_of_words(bits: Array) -> NDArray[np.uint32]:
    rows = bits.reshape(len(bits), -1)
    return packed(rows.astype(np.bool_), -(-rows.shape[1] // 32))


def _name(case: BodyCase) -> str:
    return f"tfoa_{snake_case(case.op_type)}"


def _elementwise(**parameters: float) -> Callable[[ctypes.CDLL, BodyCase], Outputs]:
    """Attributes of the kernel, and their defaults."""

    def run(library: ctypes.CDLL, case: BodyCase) -> Outputs:
        grad, saved = _real(case.inputs[0]).copy(), case.inputs[1]
        assert saved is not None
        given = saved if saved.dtype == np.float32 else _rows_of_words(saved)
        numbers = [float(case.attributes.get(name, default)) for name, default in parameters.items()]
        call(library, _name(case), _part(case, saved, grad), *numbers, given, grad)
        return (grad,)

    return run


def _softmax_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, y = _real(case.inputs[0]).copy(), _real(case.inputs[1])
    axis = case.attributes["axis"] % y.ndim
    call(library, _name(case), prod(y.shape[:axis]), y.shape[axis], prod(y.shape[axis + 1 :]), y, grad)
    return (grad,)


def _batch_normalization_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, gain, variance = (_real(each).copy() for each in case.inputs[:3])
    part = _normalized_part(case, gain, grad)
    call(library, _name(case), part, float(case.attributes.get("epsilon", 1e-5)), gain, variance, grad)
    return (grad,)


def _normalized_part(case: BodyCase, parameter: Array, grad: Array) -> _ChannelPart:
    size = case.attributes.get("channel_size", 1)
    if size > 1:  # columns of flattened channels have statistics of their own: each is a channel
        origin = case.inputs[-1]
        assert origin is not None
        return _ChannelPart(Channels(len(grad), len(parameter), 1), int(origin[1]) * size, grad.shape[1])
    return _part(case, np.empty((len(grad), len(parameter), *grad.shape[2:])), grad)


def _shift_sgd_step(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    shift, grad, rate = (_real(each).copy() for each in case.inputs[:3])
    part = _normalized_part(case, shift, grad)
    call(library, _name(case), part, float(case.attributes.get("share", 1.0)), rate.item(), grad, shift)
    return (shift,)


def _running_batch_normalization(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    x, gain, shift, mean, variance = (_real(each).copy() for each in case.inputs)
    shape = _channels(x)
    call(library, "tfoa_follow_statistics", shape, float(case.attributes["momentum"]), x, mean, variance)
    return *_normalized(library, case, (x, gain, shift, mean, variance)), mean, variance


def _followed_batch_normalization(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    return _normalized(library, case, [_real(each).copy() for each in case.inputs])


def _normalized(library: ctypes.CDLL, case: BodyCase, given: Sequence[Array]) -> Outputs:
    """The first of the arrays, normalized in place."""
    x = given[0]
    by = Normalization(*(each.ctypes.data for each in given[1:]), float(case.attributes["epsilon"]))
    call(library, "tfoa_batch_normalization", _channels(x), by, x, x)
    return (x,)


def _window(case: BodyCase, size: tuple[int, ...], out_size: tuple[int, ...]) -> Any:
    return window_of(list(size), out_size, dict(case.attributes))


def _max_pool_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, x = _real(case.inputs[0]), _real(case.inputs[1])
    grad_x = np.full((*grad.shape[:2], *x.shape[2:]), np.nan, np.float32)
    call(library, _name(case), _part(case, x, grad), _window(case, x.shape[2:], grad.shape[2:]), grad, x, grad_x)
    return (grad_x,)


def _max_places(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    x, size = _real(case.inputs[0]), case.attributes["output_size"]
    places = np.full((*x.shape[:2], *size), 0xFFFF, np.uint16)
    call(library, _name(case), _window(case, x.shape[2:], size), prod(x.shape[:2]), x, places)
    return (places,)


def _max_places_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, places = _real(case.inputs[0]), np.ascontiguousarray(case.inputs[1])
    grad_x = np.full(case.attributes["input_shape"], np.nan, np.float32)
    areas = (prod(each.shape[2:]) for each in (grad_x, grad))
    call(library, _name(case), prod(grad.shape[:2]), *areas, grad, places, grad_x)
    return (grad_x,)


def _pass_mask(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    y = _real(case.inputs[0])
    units = prod(y.shape[1:])
    mask = np.full((len(y), -(-units // 32)), 0xFFFFFFFF, np.uint32)
    call(library, _name(case), y, len(y), units, float(case.attributes["min"]), float(case.attributes["max"]), mask)
    return (unpacked(mask, units).reshape(y.shape),)


def _average_pool_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, size = _real(case.inputs[0]), tuple(case.attributes["input_shape"][2:])
    grad_x = np.full((*grad.shape[:2], *size), np.nan, np.float32)
    includes = int(case.attributes["count_include_pad"])
    call(library, _name(case), _window(case, size, grad.shape[2:]), prod(grad.shape[:2]), includes, grad, grad_x)
    return (grad_x,)


def _global_average_pool_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, size = _real(case.inputs[0]), tuple(case.attributes["input_shape"][2:])
    grad_x = np.full((*grad.shape[:2], *size), np.nan, np.float32)
    call(library, _name(case), prod(grad.shape[:2]), prod(size), grad, grad_x)
    return (grad_x,)


def _lrn_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, x, y = (_real(each) for each in case.inputs)
    grad_x = np.full(x.shape, np.nan, np.float32)
    numbers = [float(case.attributes[name]) for name in ("alpha", "beta", "bias")]
    call(library, _name(case), LrnShape(_channels(x), case.attributes["size"], *numbers), grad, x, y, grad_x)
    return (grad_x,)


def _stored_head(case: BodyCase, matrix: Array | None) -> tuple[_Head, NDArray[np.float32]]:
    stored = _real(matrix)
    return _Head(stored.ctypes.data, 0, *stored.shape, float(case.attributes.get("gain", 1.0))), stored


def _head_logits(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    h, scale = case.inputs[:2]
    assert h is not None and scale is not None
    head, _kept = _stored_head(case, case.inputs[2])
    logits = np.full((len(h), head.classes), np.nan, np.float32)
    pools = bool(case.attributes.get("pools"))
    name, sizes = ("tfoa_pooled_head_logits", (_channels(h),)) if pools else ("tfoa_head_logits", ())
    rows = () if pools else (len(h),)
    if h.dtype == np.float32:
        call(library, name, head, *sizes, h, *rows, logits)
        return (logits * scale,)
    call(library, f"{name}_of_bits", head, *sizes, _rows_of_words(h), *rows, float(scale), logits)
    return (logits,)


def _head_grad(library: ctypes.CDLL, case: BodyCase) -> Outputs:
    grad, origin = _real(case.inputs[0]), case.inputs[2]
    assert origin is not None
    head, _kept = _stored_head(case, case.inputs[1])
    shape = tuple(case.attributes["output_shape"])
    units = prod(shape[2:]) if len(shape) > 2 else case.attributes.get("channel_units", 1)
    pools = bool(case.attributes.get("pools"))
    channels = head.units if pools else head.units // units
    count = min(int(origin[3]), channels)
    part = _ChannelPart(Channels(len(grad), channels, units), int(origin[1]), count)
    grad_h = np.full((len(grad), count * units // prod(shape[2:]), *shape[2:]), np.nan, np.float32)
    call(library, "tfoa_pooled_head_grad" if pools else "tfoa_head_grad", head, part, grad, grad_h)
    return (grad_h,)


OPERATORS: Mapping[str, Callable[[ctypes.CDLL, BodyCase], Outputs]] = {
    "StraightThroughGrad": _elementwise(),
    "ReluGrad": _elementwise(),
    "ClipGrad": _elementwise(min=-_LARGEST, max=_LARGEST),
    "LeakyReluGrad": _elementwise(alpha=0.01),
    "HardSigmoidGrad": _elementwise(alpha=0.2),
    "HardSwishGrad": _elementwise(),
    "SigmoidGrad": _elementwise(),
    "TanhGrad": _elementwise(),
    "SoftmaxGrad": _softmax_grad,
    "BatchNormalizationGrad": _batch_normalization_grad,
    "ShiftSgdStep": _shift_sgd_step,
    "FollowedBatchNormalization": _followed_batch_normalization,
    "RunningBatchNormalization": _running_batch_normalization,
    "MaxPoolGrad": _max_pool_grad,
    "MaxPlaces": _max_places,
    "MaxPlacesGrad": _max_places_grad,
    "PassMask": _pass_mask,
    "AveragePoolGrad": _average_pool_grad,
    "GlobalAveragePoolGrad": _global_average_pool_grad,
    "LRNGrad": _lrn_grad,
    "HeadLogits": _head_logits,
    "HeadGrad": _head_grad,
}
