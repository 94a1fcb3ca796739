"""The kernels of convolutions that are trained: products of parts of rows, patches of bits, and the gradient in an update."""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.c99.drawn_shapes import SEED, draw_window, window_of
from tests.c99.forward_kernels import ConvShape, ForwardKernels
from tests.c99.kernel_library import call
from tests.c99.kernel_operands import Operand, Slice, bits, words
from tests.c99.onnx_reference import check_sum, conv_input_gradient, drawn, reference
from tests.ops.references.conv import conv_slice_grad

Array = NDArray[Any]
RANK = st.sampled_from([1, 2])


class RowPart(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("output", "channel", "first", "count")]


class ConvCase:
    """Sizes of a convolution: groups, channels, a window."""

    def __init__(self, data: st.DataObject, rank: int, seed: int) -> None:
        self.size, window = draw_window(data, rank)
        self.groups, self.in_group, self.out_group, self.batch = (data.draw(st.integers(1, 3)) for _ in range(4))
        self.attributes = {**window, "group": self.groups}
        self.in_channels, self.out_channels = self.groups * self.in_group, self.groups * self.out_group
        self.taps = prod(window["kernel_shape"])
        self.x_shape = (self.batch, self.in_channels, *self.size)
        self.w_shape = (self.out_channels, self.in_group, *window["kernel_shape"])
        self.z_shape = self.conv(np.zeros(self.x_shape), np.zeros(self.w_shape)).shape
        counts = self.batch, self.groups, self.in_channels, self.out_channels
        self.shape = ConvShape(window_of(self.size, self.z_shape[2:], window), *counts)
        self.rng = np.random.default_rng(seed)

    def conv(self, x: Array, w: Array) -> Array:
        return reference("Conv", x.astype(np.float32), w.astype(np.float32), None, **self.attributes)

    def parts(self, output: int, cut: int) -> list[RowPart]:
        """A row in two parts, from the first and from the second input channel on, the latter begun in its middle."""
        row = self.in_group * self.taps
        first = self.in_group // 2 * self.taps
        begin = min(first + cut % self.taps, row - 1)
        return [RowPart(output, 0, 0, begin), RowPart(output, self.in_group // 2, begin - first, row - begin)]


@given(data=st.data(), rank=RANK, seed=SEED)
def test_products_of_parts_add_up_to_a_convolution(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    case = ConvCase(data, rank, seed)
    x, w, z = drawn(seed, *case.x_shape), drawn(seed + 1, *case.w_shape), np.zeros(case.z_shape, np.float32)
    for output, row in enumerate(w.reshape(len(w), -1)):
        first, second = case.parts(output, seed)
        call(forward.library, "tfoa_add_conv_products", case.shape, first, row[: first.count].copy(), x, z)
        call(forward.library, "tfoa_add_conv_products", case.shape, second, row[first.count :].copy(), x, z)
    check_sum(z, case.conv(x, w), case.conv(abs(x), abs(w)), w[0].size)


@given(data=st.data(), rank=RANK, of_signs=st.booleans(), seed=SEED)
def test_errors_go_back_to_the_input(forward: ForwardKernels, data: st.DataObject, rank: int, of_signs: bool, seed: int) -> None:
    case = ConvCase(data, rank, seed)
    errors, w, grad_x = drawn(seed, *case.z_shape), drawn(seed + 1, *case.w_shape), np.zeros(case.x_shape, np.float32)
    if of_signs:
        w = (np.where(w < 0, -1, 1) * abs(w).mean(axis=tuple(range(1, w.ndim)), keepdims=True)).astype(np.float32)
    for output, row in enumerate(w.reshape(len(w), -1)):
        first, second = case.parts(output, seed)
        for part, own in ((first, row[: first.count]), (second, row[first.count :])):
            if of_signs:
                given = (words(own[None] > 0), float(abs(row[0])))
                call(forward.library, "tfoa_add_signed_conv_input_grad", case.shape, part, *given, errors, grad_x)
            else:
                call(forward.library, "tfoa_add_conv_input_grad", case.shape, part, own.copy(), errors, grad_x)
    expected, most = (conv_input_gradient(g, k, case.size, **case.attributes) for g, k in ((errors, w), (abs(errors), abs(w))))
    check_sum(grad_x, expected, most, case.out_group * case.taps)


@given(data=st.data(), rank=RANK, of_bits=st.booleans(), seed=SEED)
def test_signed_sums(forward: ForwardKernels, data: st.DataObject, rank: int, of_bits: bool, seed: int) -> None:
    case = ConvCase(data, rank, seed)
    x = case.rng.integers(0, 2, (1, *case.x_shape[1:])) if of_bits else case.rng.integers(-(2**15), 2**15, (1, *case.x_shape[1:]))
    is_plus = bits(case.rng, *case.w_shape)
    expected = case.conv(x, 2.0 * is_plus - 1)[0]
    given = words(x.reshape(1, -1)) if of_bits else x.astype(np.int16)
    kernel = "tfoa_add_bit_conv" if of_bits else "tfoa_add_signed_conv"
    for output, row in enumerate(is_plus.reshape(len(is_plus), -1)):
        sums = np.zeros(case.z_shape[2:], np.int32)
        first, second = case.parts(output, seed)
        call(forward.library, kernel, case.shape, first, words(row[None, : first.count]), given, sums)
        call(forward.library, kernel, case.shape, second, words(row[None, first.count :]), given, sums)
        np.testing.assert_array_equal(sums, expected[output])


@given(data=st.data(), rank=RANK, seed=SEED)
def test_patches_of_bits(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    case = ConvCase(data, rank, seed)
    x, is_plus = bits(case.rng, 1, *case.x_shape[1:]), bits(case.rng, *case.w_shape)
    expected = case.conv(x, 2.0 * is_plus - 1)[0].reshape(case.out_channels, -1)
    packed, row = words(x.reshape(1, -1)), case.in_group * case.taps
    for output, signs in enumerate(2 * is_plus.reshape(case.out_channels, -1).astype(np.int32) - 1):
        for position in range(expected.shape[1]):
            patch = np.full((1, -(-row // 32)), 0xFFFFFFFF, np.uint32)
            call(forward.library, "tfoa_gather_patch", case.shape, RowPart(output, 0, 0, row), packed, position, patch)
            seen = np.unpackbits(patch.view(np.uint8), axis=1, bitorder="little")[0]
            assert seen[:row].astype(np.int32) @ signs == expected[output, position]
            assert not seen[row:].any()


@given(data=st.data(), rank=RANK, is_binary=st.booleans(), has_all_rows=st.booleans(), seed=SEED)
def test_an_update_follows_the_gradient(
    forward: ForwardKernels, data: st.DataObject, rank: int, is_binary: bool, has_all_rows: bool, seed: int
) -> None:
    case = ConvCase(data, rank, seed)
    first_in, first_out = (int(case.rng.integers(0, count)) for count in (case.in_group, case.out_channels))
    ins, outs = case.in_group - first_in, case.out_channels - first_out
    x = bits(case.rng, *case.x_shape) if is_binary else drawn(seed, *case.x_shape)
    given = words(x.reshape(len(x), -1)) if is_binary else x
    scale, center, positions = (0.7, 0.5, prod(case.z_shape[2:])) if is_binary else (1.0, 0.0, prod(case.z_shape[2:]))
    errors = drawn(seed + 1, *case.z_shape)
    grad_z = errors if has_all_rows else np.ascontiguousarray(errors[:, first_out:])
    latent, bias = np.zeros((outs, ins, case.taps), np.float32), np.zeros(outs, np.float32)
    places = (latent.ctypes.data, bias.ctypes.data, None, None)
    counts = (ins * case.taps, outs, first_in, first_out, first_out if has_all_rows else 0, grad_z.shape[1])
    part = Slice(*places, *counts, 3e38, positions)
    of_x = (given.ctypes.data, None) if is_binary else (None, given.ctypes.data)
    gradient = ctypes.cast(forward.library.tfoa_conv_weight_gradient, ctypes.c_void_p).value
    operand = Operand(*of_x, prod(case.x_shape[1:]), scale, center, ctypes.addressof(case.shape), gradient)
    call(forward.library, "tfoa_weight_sgd_step", part, grad_z, operand, case.batch, 1.0)
    call(forward.library, "tfoa_bias_sgd_step", part, grad_z, case.batch, 1.0)

    origin = np.array((first_in, first_out, ins, outs))
    options = {**case.attributes, "group_outputs": case.out_group, "has_all_rows": 1, "input_center": center}
    grad_w, grad_bias = conv_slice_grad(errors, x, np.array(scale), origin, **options)
    most = conv_slice_grad(abs(errors), abs(x - center), np.array(scale), origin, **{**options, "input_center": 0.0})
    terms = case.batch * positions + 3
    expected = grad_w.reshape(case.taps, ins, outs).transpose(2, 1, 0)
    check_sum(-latent, expected, most[0].reshape(case.taps, ins, outs).transpose(2, 1, 0), terms)
    check_sum(-bias, grad_bias, most[1], terms)
