"""Conv, pools and products against ONNX's reference evaluator in float64; onnx_reference.py gives the reasons of tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.c99.drawn_shapes import AXIS, SEED, SMALL, assume_no_empty_window, broadcastable, draw_shape, draw_window, window_of
from tests.c99.forward_kernels import ForwardKernels
from tests.c99.onnx_reference import Array, check_sum, conv_input_gradient, drawn, on_onnxruntime, reference

RANK = st.sampled_from([1, 2])
FLAG = st.sampled_from([0, 1])
WINDOW = ("kernel_shape", "strides", "dilations")
SCALE = st.sampled_from([1.0, 0.3125])


@given(data=st.data(), rank=RANK, seed=SEED)
def test_conv(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    size, attributes = draw_window(data, rank)
    groups, in_group, out_group, batch = (data.draw(st.integers(1, 3)) for _ in range(4))
    x = drawn(seed, batch, groups * in_group, *size)
    w = drawn(seed + 1, groups * out_group, in_group, *attributes["kernel_shape"])
    bias = drawn(seed + 2, len(w)) if data.draw(st.booleans()) else None
    expected = reference("Conv", x, w, bias, group=groups, **attributes)
    magnitude = reference("Conv", abs(x), abs(w), None if bias is None else abs(bias), group=groups, **attributes)
    y = forward.conv(x, w, bias, window_of(size, expected.shape[2:], attributes), groups)
    check_sum(y, expected, magnitude, w[0].size + 1)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@given(data=st.data(), seed=SEED)
@settings(max_examples=30)
def test_depthwise_conv_that_keeps_the_size(forward: ForwardKernels, auto_pad: str, data: st.DataObject, seed: int) -> None:
    channels, *size = (data.draw(AXIS) for _ in range(3))
    kernel, stride = ([data.draw(SMALL) for _ in range(2)] for _ in range(2))
    x, w = drawn(seed, 1, channels, *size), drawn(seed + 1, channels, 1, *kernel)
    attributes = {"kernel_shape": kernel, "strides": stride, "group": channels, "auto_pad": auto_pad}
    expected, magnitude = reference("Conv", x, w, **attributes), reference("Conv", abs(x), abs(w), **attributes)

    out_size = tuple(-(-n // s) for n, s in zip(size, stride))
    total = [max(0, (out - 1) * s + k - n) for n, out, s, k in zip(size, out_size, stride, kernel)]
    begin = [(pad + (auto_pad == "SAME_LOWER")) // 2 for pad in total]
    pads = begin + [pad - first for pad, first in zip(total, begin)]
    window = window_of(size, out_size, {"kernel_shape": kernel, "strides": stride, "dilations": [1, 1], "pads": pads})
    check_sum(forward.conv(x, w, None, window, channels), expected, magnitude, w[0].size + 1)


@given(data=st.data(), rank=RANK, seed=SEED)
def test_conv_transpose(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    """Its output has the size of an image that a window is drawn for, its input that of the windows."""
    size, attributes = draw_window(data, rank)
    groups, in_group, out_group, batch = (data.draw(st.integers(1, 3)) for _ in range(4))
    moves = zip(size, attributes["pads"], attributes["pads"][rank:], *(attributes[n] for n in WINDOW))
    sizes = [divmod(n + first + last - (k - 1) * d - 1, stride) for n, first, last, k, stride, d in moves]
    x = drawn(seed, batch, groups * in_group, *(windows + 1 for windows, _ in sizes))
    w = drawn(seed + 1, groups * in_group, out_group, *attributes["kernel_shape"])
    bias = drawn(seed + 2, groups * out_group) if data.draw(st.booleans()) else np.zeros(groups * out_group, np.float32)
    column = bias.reshape(-1, *[1] * rank)
    expected = conv_input_gradient(x, w, size, group=groups, **attributes) + column
    on_ort = on_onnxruntime("ConvTranspose", x, w, bias, group=groups, output_padding=[rest for _, rest in sizes], **attributes)
    magnitude = conv_input_gradient(abs(x), abs(w), size, group=groups, **attributes) + abs(column)
    y = forward.conv_transpose(x, w, bias if bias.any() else None, window_of(size, x.shape[2:], attributes), groups)
    for each in (y, on_ort):
        check_sum(each, expected, magnitude, in_group * w[0, 0].size + 1)


def draw_pool(data: st.DataObject, rank: int, seed: int) -> tuple[Array, list[int], dict[str, Any]]:
    size, attributes = draw_window(data, rank)
    attributes["ceil_mode"] = data.draw(FLAG)
    assume_no_empty_window(size, attributes)
    return drawn(seed, data.draw(SMALL), data.draw(SMALL), *size), size, attributes


@given(data=st.data(), rank=RANK, seed=SEED)
def test_max_pool(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    x, size, attributes = draw_pool(data, rank, seed)
    expected = on_onnxruntime("MaxPool", x, **attributes)
    np.testing.assert_array_equal(forward.max_pool(x, window_of(size, expected.shape[2:], attributes)), expected)


@given(data=st.data(), rank=RANK, count_include_pad=FLAG, seed=SEED)
def test_average_pool(forward: ForwardKernels, data: st.DataObject, rank: int, count_include_pad: int, seed: int) -> None:
    x, size, attributes = draw_pool(data, rank, seed)
    attributes["count_include_pad"] = count_include_pad
    expected, magnitude = (on_onnxruntime("AveragePool", each, **attributes).astype(np.float64) for each in (x, abs(x)))
    y = forward.average_pool(x, window_of(size, expected.shape[2:], attributes), count_include_pad)
    check_sum(y, expected, magnitude, 2 * (int(np.prod(attributes["kernel_shape"])) + 1) + 1)  # both sides are float32


@given(shape=st.lists(AXIS, min_size=3, max_size=5), seed=SEED)
def test_global_average_pool(forward: ForwardKernels, shape: list[int], seed: int) -> None:
    x = drawn(seed, *shape)
    expected, magnitude = reference("GlobalAveragePool", x), reference("GlobalAveragePool", abs(x))
    check_sum(forward.global_average_pool(x), expected, magnitude, int(np.prod(shape[2:])) + 1)


@given(data=st.data(), flags=st.tuples(FLAG, FLAG), scales=st.tuples(SCALE, SCALE), seed=SEED)
def test_gemm(
    forward: ForwardKernels, data: st.DataObject, flags: tuple[int, int], scales: tuple[float, float], seed: int
) -> None:
    rows, inner, columns = draw_shape(data, 3, 20)
    a, b = drawn(seed, rows, inner), drawn(seed + 1, inner, columns)
    a, b = (np.ascontiguousarray(each.T) if flag else each for each, flag in zip((a, b), flags))
    c_shape = data.draw(st.sampled_from([None, (), (1,), (columns,), (1, columns), (rows, 1), (rows, columns)]))
    c = None if c_shape is None else drawn(seed + 2, *c_shape)
    attributes = {"transA": flags[0], "transB": flags[1], "alpha": scales[0], "beta": scales[1]}
    expected = reference("Gemm", a, b, c, **attributes)
    magnitude = reference("Gemm", abs(a), abs(b), None if c is None else abs(c), **attributes)
    check_sum(forward.gemm(a, b, c, **attributes), expected, magnitude, inner + 3)


@given(data=st.data(), rank=st.integers(0, 4), seed=SEED)
def test_matmul(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    rows, inner, columns = draw_shape(data, 3, 9)
    batch = draw_shape(data, rank, 3)
    a = drawn(seed, *broadcastable(data, batch), rows, inner)
    b = drawn(seed + 1, *broadcastable(data, batch), inner, columns)
    check_sum(forward.matmul(a, b), reference("MatMul", a, b), reference("MatMul", abs(a), abs(b)), inner)


def test_a_result_one_percent_off_fails() -> None:
    a, b = drawn(0, 3, 20), drawn(1, 20, 3)
    expected, magnitude = reference("MatMul", a, b), reference("MatMul", abs(a), abs(b))
    check_sum(expected.astype(np.float32), expected, magnitude, 20)
    with pytest.raises(AssertionError):
        check_sum((expected * 1.01).astype(np.float32), expected, magnitude, 20)
