"""Forward kernels that work element by element, or only move elements, against ONNX's reference evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.c99.drawn_shapes import AXIS, SEED, broadcastable, draw_shape
from tests.c99.forward_kernels import ForwardKernels
from tests.c99.onnx_reference import UNIT_ROUNDOFF, Array, Real, drawn, reference

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div"])
@given(data=st.data(), rank=st.integers(0, 6), seed=SEED)
@settings(max_examples=50)
def test_arithmetic(forward: ForwardKernels, op_type: str, data: st.DataObject, rank: int, seed: int) -> None:
    shape = draw_shape(data, rank, 4)
    a, b = drawn(seed, *broadcastable(data, shape)), drawn(seed + 1, *broadcastable(data, shape))
    # Exact: float64 has more than twice the bits, so that rounding twice is rounding once.
    expected = reference(op_type, a, b).astype(np.float32)
    np.testing.assert_array_equal(forward.arithmetic(op_type.lower(), a, b), expected)


@given(shape=st.lists(AXIS, max_size=4), seed=SEED)
def test_relu_and_reshape(forward: ForwardKernels, shape: list[int], seed: int) -> None:
    x = drawn(seed, *shape)
    np.testing.assert_array_equal(forward.relu(x), reference("Relu", x))
    flat = np.array([-1], np.int64)
    np.testing.assert_array_equal(forward.reshape(x, [x.size]), reference("Reshape", x, flat))


@given(shape=st.lists(AXIS, max_size=4), limits=st.tuples(*[st.sampled_from([-1.5, -0.25, 0.0, 0.5, 6.0])] * 2), seed=SEED)
def test_clip(forward: ForwardKernels, shape: list[int], limits: tuple[float, float], seed: int) -> None:
    x = drawn(seed, *shape)
    low, high = (np.array(limit, np.float32) for limit in limits)
    np.testing.assert_array_equal(forward.clip(x, *limits), reference("Clip", x, low, high))


def test_nan_goes_through(forward: ForwardKernels) -> None:
    x = np.array([NAN, -INF, INF, -1.0], np.float32)
    np.testing.assert_array_equal(forward.relu(x), [NAN, 0.0, INF, 0.0])
    np.testing.assert_array_equal(forward.clip(x, -0.5, 0.5), [NAN, -0.5, 0.5, -0.5])
    assert np.isnan(forward.softmax(np.array([0.0, NAN, 1.0], np.float32), 0)).all()


@given(data=st.data(), rank=st.integers(1, 6), seed=SEED)
def test_transpose(forward: ForwardKernels, data: st.DataObject, rank: int, seed: int) -> None:
    x = drawn(seed, *draw_shape(data, rank))
    perm = data.draw(st.permutations(range(rank)))
    np.testing.assert_array_equal(forward.transpose(x, perm), reference("Transpose", x, perm=perm))


def check_softmax(actual: Array, expected: Real, x: Array, axis: int) -> None:
    """x - max is off by u |x - max|, which the power turns into that relative error; tfoa_expf is off by 1 ulp, 2 u; the sum of
    n powers by n u and what its terms are off by; the quotient by u. Below 2^-126 an ulp is 2^-149, whatever the number is.
    """
    depth = np.max(np.max(x, axis=axis, keepdims=True) - x)
    relative = (2 * depth + x.shape[axis] + 6) * UNIT_ROUNDOFF
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=2.0**-148)


@given(data=st.data(), rank=st.integers(1, 4), spread=st.sampled_from([1.0, 30.0]), seed=SEED)
def test_softmax(forward: ForwardKernels, data: st.DataObject, rank: int, spread: float, seed: int) -> None:
    x = drawn(seed, *draw_shape(data, rank, 12)) * np.float32(spread)
    axis = data.draw(st.integers(-rank, rank - 1))
    check_softmax(forward.softmax(x, axis), reference("Softmax", x, axis=axis), x, axis)


def test_softmax_of_large_numbers_and_in_one_percent_steps(forward: ForwardKernels) -> None:
    x = np.array([[1000.0, 1000.0, 990.0], [-1e30, 0.0, -1e30]], np.float32)
    expected = reference("Softmax", x, axis=1)
    np.testing.assert_allclose(forward.softmax(x, 1), expected, rtol=2e-6)  # 10 units below the largest: 30 roundings
    small = drawn(0, 2, 5)
    with pytest.raises(AssertionError):
        check_softmax(forward.softmax(small, 1) * np.float32(1.01), reference("Softmax", small, axis=1), small, 1)
