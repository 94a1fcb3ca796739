"""Activations, normalization and boxes of the forward kernels against ONNX's reference evaluator and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.c99.drawn_shapes import AXIS, SEED, SMALL, draw_shape
from tests.c99.forward_kernels import ForwardKernels
from tests.c99.onnx_reference import UNIT_ROUNDOFF, Array, Real, check_sum, drawn, reference

SHAPE = st.lists(AXIS, max_size=4)
# The power is off by 1 ulp, 2 u; a sum, a quotient and a difference by u each, and none is smaller than half of the result.
CURVE = 6 * UNIT_ROUNDOFF


def check_curve(actual: Array, expected: Real) -> None:
    """Below 2^-126 an ulp is 2^-149, whatever the number is."""
    np.testing.assert_allclose(actual, expected, rtol=CURVE, atol=2.0**-148)


@given(shape=SHAPE, spread=st.sampled_from([0.01, 1.0, 30.0]), seed=SEED)
def test_sigmoid_and_tanh(forward: ForwardKernels, shape: list[int], spread: float, seed: int) -> None:
    x = np.asarray(np.float32(spread) * drawn(seed, *shape))
    power = np.exp(-np.abs(x.astype(np.float64)))
    check_curve(forward.elementwise("sigmoid", x), np.where(x < 0, power, 1) / (1 + power))
    check_curve(forward.elementwise("tanh", x), np.tanh(x.astype(np.float64)))


def test_sigmoid_and_tanh_over_all_exponents(forward: ForwardKernels) -> None:
    """Where the polynomial of tanh ends, far out, at infinities and at a NaN."""
    bits = np.arange(0, 2**32, 65537, dtype=np.uint32)
    x = np.concatenate(
        [bits.view(np.float32), np.array([0.625, -0.625, np.nextafter(np.float32(0.625), np.float32(0))], np.float32)]
    )
    finite = np.isfinite(x)
    with np.errstate(under="ignore"):
        power = np.exp(-np.abs(x[finite].astype(np.float64)))
        check_curve(forward.elementwise("sigmoid", x)[finite], np.where(x[finite] < 0, power, 1) / (1 + power))
    check_curve(forward.elementwise("tanh", x)[finite], np.tanh(x[finite].astype(np.float64)))
    ends = np.array([np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(forward.elementwise("sigmoid", ends), [1, 0, np.nan])
    np.testing.assert_array_equal(forward.elementwise("tanh", ends), [1, -1, np.nan])


def test_a_curve_one_percent_off_fails(forward: ForwardKernels) -> None:
    x = drawn(0, 5)
    with pytest.raises(AssertionError):
        check_curve(forward.elementwise("tanh", np.float32(1.01) * x), np.tanh(x.astype(np.float64)))


@given(shape=SHAPE, alpha=st.sampled_from([0.01, 0.2]), seed=SEED)
def test_piecewise_activations(forward: ForwardKernels, shape: list[int], alpha: float, seed: int) -> None:
    x = np.asarray(4 * drawn(seed, *shape))
    scale = float(np.float32(alpha))

    def close(y: Array, wanted: Real) -> None:
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=2e-6)  # three roundings of numbers up to 16

    close(forward.elementwise("leaky_relu", x, alpha), reference("LeakyRelu", x, alpha=scale))
    close(forward.elementwise("hard_sigmoid", x, alpha, 0.5), reference("HardSigmoid", x, alpha=scale, beta=0.5))
    close(forward.elementwise("hard_swish", x), reference("HardSwish", x))
    np.testing.assert_array_equal(forward.elementwise("neg", x), -x)


@given(shape=st.lists(AXIS, min_size=2, max_size=4), seed=SEED)
def test_batch_normalization(forward: ForwardKernels, shape: list[int], seed: int) -> None:
    x, (gain, shift, mean) = drawn(seed, *shape), drawn(seed + 1, 3, shape[1])
    variance = drawn(seed + 2, shape[1]) ** 2
    parameters = (gain, shift, mean, variance)
    expected = reference("BatchNormalization", x, *parameters, epsilon=float(np.float32(1e-3)))
    sizes = (np.abs(each) for each in (x, gain, shift))
    magnitude = reference("BatchNormalization", *sizes, -np.abs(mean), variance, epsilon=float(np.float32(1e-3)))
    check_sum(forward.batch_normalization(x, parameters, 1e-3), expected, magnitude, 8)


@given(shape=st.lists(AXIS, min_size=2, max_size=4), size=st.integers(1, 5), seed=SEED)
def test_lrn(forward: ForwardKernels, shape: list[int], size: int, seed: int) -> None:
    """Channel by channel; the power is e^(-beta ln b), off by what the logarithm and the product are, times ln b at most 3."""
    x, before = drawn(seed, *shape), (size - 1) // 2
    y = forward.lrn(x, size, alpha=0.5, beta=0.75, bias=1.5)
    for channel in range(shape[1]):
        near = x[:, max(0, channel - before) : channel - before + size].astype(np.float64)
        base = 1.5 + 0.5 / size * (near**2).sum(axis=1)
        np.testing.assert_allclose(y[:, channel], x[:, channel] * base**-0.75, rtol=30 * UNIT_ROUNDOFF)


@given(data=st.data(), rank=st.integers(1, 6), seed=SEED)
def test_boxes(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    """A part of an array, every other element along one axis, is copied into the middle of another, and summed over an axis."""
    shape = draw_shape(data, rank, 3)
    axis, begin = data.draw(st.integers(0, rank - 1)), data.draw(SMALL)
    source = drawn(seed, *(2 * length for length in shape))
    part = source[tuple(slice(0, 2 * n, 2) if i == axis else slice(n) for i, n in enumerate(shape))]
    room = np.zeros([length + begin for length in shape], np.float32)
    inside = room[(slice(begin, None),) * rank]
    forward.copy_box(part, inside)
    np.testing.assert_array_equal(inside, part)
    assert np.count_nonzero(room) == np.count_nonzero(part)
    total = np.zeros([1 if i == axis else n for i, n in enumerate(shape)], np.float32)
    forward.add_box(
        part, np.lib.stride_tricks.as_strided(total, shape, [0 if i == axis else s for i, s in enumerate(total.strides)])
    )
    expected, magnitude = (each.astype(np.float64).sum(axis=axis, keepdims=True) for each in (part, np.abs(part)))
    check_sum(total, expected, magnitude, shape[axis])
