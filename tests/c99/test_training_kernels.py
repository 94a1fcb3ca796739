"""The kernels of the training step, one by one, against the references in NumPy and float64 (tests/ops/references)."""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_uint32, c_void_p
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.c99.forward_kernels import ConvShape
from tests.c99.kernel_library import KERNELS, build_library, call
from tests.c99.kernel_operands import Operand, Slice, bits, level_words, real, unpacked, words
from tests.ops.references import activation, arithmetic, gradients, heads, updates
from tinyfoa_rt.operators.head_hash import rademacher_head

Array = NDArray[Any]
ROWS, UNITS, SEED = st.integers(1, 5), st.integers(1, 70), st.integers(0, 2**32 - 1)
# Sums of at most 70 float32 products of numbers around 1: 70 roundings of half a unit in the last place, twice for the scale.
SUM = 2e-5


def check_close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=SUM, atol=SUM)


class Head(ctypes.Structure):
    _fields_ = [
        *(("stored", c_void_p), ("seed", c_uint32), ("classes", c_int32), ("units", c_int32), ("gain", c_float)),
        ("integers", c_void_p),
    ]


class Moments(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("mean", "variance", "count")]


@pytest.fixture(scope="module", params=["gcc", "clang"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = sorted((KERNELS / "plain").glob("*.c"))
    return build_library(tmp_path_factory.mktemp("training"), request.param, sources, flags=["-lm"])


@given(rows=ROWS, units=UNITS, floor=st.sampled_from([-1.0, 0.0]), seed=SEED)
def test_activation(library: ctypes.CDLL, rows: int, units: int, floor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = real(rng, rows, units)
    z.reshape(-1)[:4] = np.array([0.0, 1.0, -1.0, -0.0], dtype=np.float32)[: z.size]
    h, window = (np.full((rows, -(-units // 32)), 0xFFFFFFFF, np.uint32) for _ in range(2))
    scale = np.array([0.7], dtype=np.float32)
    expected = activation.binary_activation(z, scale[0], momentum=0.9, window_floor=floor)
    call(library, "tfoa_binary_activation", z, rows, units, h)
    call(library, "tfoa_pass_mask", z, rows, units, floor, 1.0, window)
    call(library, "tfoa_follow_scale", scale, z, z.size, 0.9)
    np.testing.assert_array_equal(unpacked(h, units), expected[0])
    np.testing.assert_array_equal(unpacked(window, units), expected[2])
    check_close(scale[0], expected[1])
    assert not unpacked(h, h.shape[1] * 32)[:, units:].any()  # what is left of the last word is zero
    x = np.empty((rows, units), dtype=np.float32)
    call(library, "tfoa_binary_to_real", h, rows, units, 0.25, x)
    np.testing.assert_array_equal(x, expected[0] * np.float32(0.25))


@given(rows=ROWS, units=UNITS, floor=st.sampled_from([-0.5, 0.0]), seed=SEED)
def test_levels(library: ctypes.CDLL, rows: int, units: int, floor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, scale = real(rng, rows, units), 0.5
    edges = np.array([0.0, 0.25, 0.75, 1.25, 1.75, -0.25], dtype=np.float32)  # multiples of a power of two are exact
    z.reshape(-1)[:6] = edges[: z.size]
    h, window = np.full((rows, 2 * -(-units // 32)), 0xFFFFFFFF, np.uint32), np.zeros((rows, -(-units // 32)), np.uint32)
    levels, inside = activation.level_activation(z, np.array(scale), window_floor=floor)
    call(library, "tfoa_level_activation", z, rows, units, scale, floor, h, window)
    np.testing.assert_array_equal(h, level_words(levels))
    np.testing.assert_array_equal(unpacked(window, units), inside)
    x, logits = np.empty((rows, units), dtype=np.float32), np.empty((rows, 3), dtype=np.float32)
    call(library, "tfoa_levels_to_real", h, rows, units, 0.25, x)
    np.testing.assert_array_equal(x, levels * np.float32(0.25))
    matrix = real(rng, 3, units)
    call(library, "tfoa_head_logits_of_levels", Head(matrix.ctypes.data, seed, 3, units, 0.3), h, rows, 0.7, logits)
    check_close(logits, heads.head_logits(levels, np.array(0.7), matrix, gain=0.3)[0])


@given(rows=ROWS, units=UNITS, classes=st.integers(1, 12), is_stored=st.booleans(), seed=SEED)
def test_head(library: ctypes.CDLL, rows: int, units: int, classes: int, is_stored: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = real(rng, classes, units) if is_stored else rademacher_head(seed, classes, units)
    head = Head(matrix.ctypes.data if is_stored else None, seed, classes, units, 0.3)
    h, x, logits = bits(rng, rows, units), real(rng, rows, units), np.empty((rows, classes), dtype=np.float32)
    call(library, "tfoa_head_logits_of_bits", head, words(h), rows, 0.7, logits)
    check_close(logits, heads.head_logits(h, np.array(0.7), matrix, gain=0.3)[0])
    call(library, "tfoa_head_logits", head, x, rows, logits)
    check_close(logits, heads.head_logits(x, np.array(1), matrix, gain=0.3)[0])


@given(rows=ROWS, sizes=st.tuples(*[st.integers(1, 8)] * 3), is_binary=st.booleans(), seed=SEED)
def test_a_head_that_sees_means_takes_a_step(
    library: ctypes.CDLL, rows: int, sizes: tuple[int, int, int], is_binary: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    classes, channels, positions = sizes
    head, grad_logits = real(rng, classes, channels), real(rng, rows, classes)
    h = bits(rng, rows, channels * positions) if is_binary else real(rng, rows, channels * positions)
    shape, given_h = ConvShape(in_channels=channels), words(h) if is_binary else h
    gradient = ctypes.cast(library.tfoa_mean_weight_gradient, c_void_p)
    operand = Operand(None, None, channels * positions, 0.3, 0.0, ctypes.addressof(shape), gradient)
    setattr(operand, "bits" if is_binary else "real", given_h.ctypes.data)
    image = h.reshape(rows, channels, positions)
    grad = heads.head_weight_grad(grad_logits, image, np.array(1), grad_logits, gain=0.3, pools=1)[0]
    expected = head - 0.5 * grad
    step = Slice(head.ctypes.data, None, None, None, channels, classes, 0, 0, 0, classes, 3e38, 1)
    call(library, "tfoa_weight_sgd_step", step, grad_logits, operand, rows, 0.5)
    check_close(head, expected)


@given(rows=ROWS, classes=st.integers(2, 12), spread=st.sampled_from([1.0, 30.0]), seed=SEED)
def test_losses(library: ctypes.CDLL, rows: int, classes: int, spread: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = np.float32(spread) * real(rng, rows, classes)
    target, loss, correct = rng.integers(0, classes, rows).astype(np.int32), np.zeros(1, np.float32), np.zeros(1, np.int32)
    grad = logits.copy()
    call(library, "tfoa_softmax_cross_entropy", grad, target, rows, classes, loss, correct)
    expected = heads.softmax_cross_entropy(logits, target)
    np.testing.assert_allclose(grad, expected[0], rtol=1e-5, atol=1e-6)  # a quotient of sums of a dozen, exp to an ulp
    np.testing.assert_allclose(loss[0], expected[1], rtol=1e-5, atol=1e-6)
    assert correct[0] == (logits.argmax(axis=1) == target).sum()
    weights, grad = rng.uniform(0.1, 10, classes).astype(np.float32), logits.copy()
    call(library, "tfoa_weighted_softmax_cross_entropy", grad, target, weights, rows, classes, loss, correct)
    expected = heads.weighted_softmax_cross_entropy(logits, target, weights)
    np.testing.assert_allclose(grad, expected[0], rtol=1e-5, atol=1e-6 * weights.max())  # the same, times a weight
    np.testing.assert_allclose(loss[0], expected[1], rtol=1e-5, atol=1e-6 * weights.max())
    assert correct[0] == (logits.argmax(axis=1) == target).sum()
    labels, error = rng.integers(0, 2, (rows, classes)).astype(np.float32), logits.copy()
    call(library, "tfoa_binary_cross_entropy", error, labels, rows, classes, loss)
    expected = heads.binary_cross_entropy(logits, labels)
    np.testing.assert_allclose(error, expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loss[0], expected[1], rtol=1e-5, atol=1e-6)
    wanted, error = real(rng, rows, classes), logits.copy()
    call(library, "tfoa_mean_squared_error", error, wanted, rows, classes, loss)
    expected = heads.mean_squared_error(logits, wanted)
    np.testing.assert_allclose(error, expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loss[0], expected[1], rtol=1e-5)


class SliceCase:
    """A slice of a layer in the middle of a training, and the batch of a step."""

    def __init__(self, seed: int, rows: int, units: int, *, is_binary: bool, has_all_rows: bool) -> None:
        rng = np.random.default_rng(seed)
        first = int(rng.integers(0, units))
        self.rows, self.rate, self.limit = rows, 0.3, 1.0
        self.ins, self.outs, first_out, all_outs = int(rng.integers(1, units - first + 1)), int(rng.integers(1, 6)), 2, 9
        self.origin = np.array([first, first_out, self.ins, self.outs], dtype=np.int32)
        self.x = bits(rng, rows, units) if is_binary else real(rng, rows, units)
        self.grad_z = real(rng, rows, all_outs if has_all_rows else self.outs)
        self.grad_z[:, -1] = 0  # an output that nothing is to be learnt about
        self.latent = rng.uniform(-1, 1, (self.outs, self.ins)).astype(np.float32)
        self.bias = real(rng, self.outs)
        self.bits = np.zeros((self.outs, -(-self.ins // 32)), dtype=np.uint32)
        self.sums = np.zeros(self.outs, dtype=np.float32)
        self.states = [real(rng, self.outs, self.ins), real(rng, self.outs, self.ins) ** 2]
        self.bias_states = [real(rng, self.outs), real(rng, self.outs) ** 2]
        self.scale, self.center = 0.7, 0.5 if is_binary else 0.0
        self._words = words(self.x) if is_binary else self.x
        self.operand = Operand(None, None, units, self.scale, self.center, None, None)
        setattr(self.operand, "bits" if is_binary else "real", self._words.ctypes.data)
        places = [array.ctypes.data for array in (self.latent, self.bias, self.bits, self.sums)]
        first_grad = first_out if has_all_rows else 0
        self.slice = Slice(*places, self.ins, self.outs, first, first_out, first_grad, self.grad_z.shape[1], self.limit, 1)
        scale = np.array(self.scale)
        self.grad_w, self.grad_bias = gradients.dense_slice_grad(
            self.grad_z, self.x, scale, self.origin, has_all_rows=int(has_all_rows), input_center=self.center
        )


CASES = {"rows": ROWS, "units": UNITS, "is_binary": st.booleans(), "has_all_rows": st.booleans(), "seed": SEED}


def check_slice(case: SliceCase, expected: tuple[Array, ...], expected_bias: tuple[Array, ...]) -> None:
    check_close(case.latent.T, expected[0])
    check_close(case.bias, expected_bias[0])
    for kept, wanted in zip(case.states, expected[1:3]):
        check_close(kept.T, wanted)
    for kept, wanted in zip(case.bias_states, expected_bias[1:]):
        check_close(kept, wanted)


def check_signs(case: SliceCase, rows: Array) -> None:
    """Of the rows that have moved, bits and sums are those of the latent values."""
    signs, sums = updates.pack_signs(case.latent.T, np.zeros(0), np.zeros(0), None)
    np.testing.assert_array_equal(unpacked(case.bits, case.ins)[rows], (signs.T[rows] > 0).astype(np.uint8))
    np.testing.assert_allclose(case.sums[rows], sums[rows], rtol=1e-5)


@given(**CASES)
def test_sgd_step(library: ctypes.CDLL, rows: int, units: int, is_binary: bool, has_all_rows: bool, seed: int) -> None:
    case = SliceCase(seed, rows, units, is_binary=is_binary, has_all_rows=has_all_rows)
    rate = np.array(case.rate)
    expected = updates.sgd_update(case.latent.T, case.grad_w, rate, None, limit=case.limit)
    expected_bias = updates.sgd_update(case.bias, case.grad_bias, rate, None, limit=3e38)
    call(library, "tfoa_weight_sgd_step", case.slice, case.grad_z, case.operand, case.rows, case.rate)
    call(library, "tfoa_bias_sgd_step", case.slice, case.grad_z, case.rows, case.rate)
    case.states, case.bias_states = [], []
    check_slice(case, expected, expected_bias)
    check_signs(case, np.abs(case.grad_bias) > 0 if has_all_rows else np.arange(case.outs - 1))


@given(**CASES)
def test_momentum_step(library: ctypes.CDLL, rows: int, units: int, is_binary: bool, has_all_rows: bool, seed: int) -> None:
    case = SliceCase(seed, rows, units, is_binary=is_binary, has_all_rows=has_all_rows)
    rate = np.array(case.rate)
    expected = updates.momentum_update(case.latent.T, case.grad_w, rate, case.states[0].T, None, limit=case.limit)
    expected_bias = updates.momentum_update(case.bias, case.grad_bias, rate, case.bias_states[0], None, limit=3e38)
    given = (case.grad_z, case.operand, case.rows, case.rate, case.states[0])
    call(library, "tfoa_weight_momentum_step", case.slice, *given)
    call(library, "tfoa_bias_momentum_step", case.slice, case.grad_z, case.rows, case.rate, case.bias_states[0])
    check_slice(case, expected, expected_bias)
    check_signs(case, np.arange(case.outs))


@given(count=st.sampled_from([0, 1, 2000]), power=st.sampled_from([0.0, 0.001, 0.4]), **CASES)
def test_normalized_step(
    library: ctypes.CDLL, count: int, power: float, rows: int, units: int, is_binary: bool, has_all_rows: bool, seed: int
) -> None:
    case = SliceCase(seed, rows, units, is_binary=is_binary, has_all_rows=has_all_rows)
    rate, counts, powers = np.array(case.rate), np.full(2, count, dtype=np.int32), np.array([power, 2 * power], dtype=np.float32)
    steps = np.array(count)
    expected = updates.normalized_update(case.latent.T, case.grad_w, rate, powers[0].copy(), steps, None, limit=case.limit)
    expected_bias = updates.normalized_update(case.bias, case.grad_bias, rate, powers[1].copy(), steps, None, limit=3e38)
    given_weight = (case.grad_z, case.operand, case.rows, case.rate, powers[:1], counts[:1])
    call(library, "tfoa_weight_normalized_step", case.slice, *given_weight)
    call(library, "tfoa_bias_normalized_step", case.slice, case.grad_z, case.rows, case.rate, powers[1:], counts[1:])
    assert list(counts) == [count + 1] * 2
    # float32 sums of up to some hundred squares
    np.testing.assert_allclose(powers, [expected[1], expected_bias[1]], rtol=1e-4)
    # A step is rate / sqrt(power), at most 2, times a gradient whose sum is of up to 350 roundings.
    np.testing.assert_allclose(case.latent.T, expected[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(case.bias, expected_bias[0], rtol=1e-4, atol=1e-4)
    check_signs(case, np.abs(case.grad_bias) > 0 if has_all_rows else np.arange(case.outs - 1))


@given(count=st.sampled_from([0, 3, 2000]), **CASES)
def test_adam_step(
    library: ctypes.CDLL, count: int, rows: int, units: int, is_binary: bool, has_all_rows: bool, seed: int
) -> None:
    case = SliceCase(seed, rows, units, is_binary=is_binary, has_all_rows=has_all_rows)
    rate, counts = np.array(case.rate), np.full(2, count, dtype=np.int32)
    weights, biases, steps = case.states, case.bias_states, np.array(count)
    expected = updates.adam_update(case.latent.T, case.grad_w, rate, weights[0].T, weights[1].T, steps, None, limit=case.limit)
    expected_bias = updates.adam_update(case.bias, case.grad_bias, rate, biases[0], biases[1], steps, None, limit=3e38)
    moments = Moments(*(state.ctypes.data for state in case.states), counts[:1].ctypes.data)
    call(library, "tfoa_weight_adam_step", case.slice, case.grad_z, case.operand, case.rows, case.rate, moments)
    moments = Moments(*(state.ctypes.data for state in case.bias_states), counts[1:].ctypes.data)
    call(library, "tfoa_bias_adam_step", case.slice, case.grad_z, case.rows, case.rate, moments)
    assert list(counts) == [count + 1] * 2
    # Adam divides by the root of the variance, which may be small: the quotient's error is relative to it.
    np.testing.assert_allclose(case.latent.T, expected[0], rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(case.bias, expected_bias[0], rtol=2e-4, atol=2e-4)
    for kept, wanted in zip(case.states, expected[1:3]):
        check_close(kept.T, wanted)
    check_signs(case, np.arange(case.outs))


@given(size=st.integers(1, 200), spread=st.sampled_from([1e-35, 1e-3, 1.0, 1e6]), seed=SEED)
@settings(max_examples=60)
def test_quantization_is_the_body_s(library: ctypes.CDLL, size: int, spread: float, seed: int) -> None:
    """To the bit: the reference computes in float32 as the function body does."""
    x = (np.float32(spread) * real(np.random.default_rng(seed), 1, size)).astype(np.float32)
    q = np.empty(size, dtype=np.int16)
    quantize = library.tfoa_quantize
    quantize.restype = c_float
    step = quantize(c_void_p(x.ctypes.data), c_int32(size), c_void_p(q.ctypes.data))
    high, low, expected_step, _ = arithmetic.split_sixteen_bits(x)
    assert np.float32(step) == np.asarray(expected_step).reshape(-1)[0]
    np.testing.assert_array_equal(q, (256 * (high[0].astype(np.int32) - 128) + low[0].astype(np.int32) - 128))


def test_numbers_that_are_none_are_quantized_to_something(library: ctypes.CDLL) -> None:
    """No undefined behaviour; what comes out does not matter."""
    x, q = np.array([np.nan, np.inf, -np.inf, 1.0], dtype=np.float32), np.zeros(4, dtype=np.int16)
    call(library, "tfoa_quantize", x, 4, q)


def test_a_result_one_percent_off_fails(library: ctypes.CDLL) -> None:
    case = SliceCase(0, 3, 40, is_binary=True, has_all_rows=False)
    expected = updates.sgd_update(case.latent.T, case.grad_w, np.array(1.01 * case.rate), None, limit=case.limit)
    call(library, "tfoa_weight_sgd_step", case.slice, case.grad_z, case.operand, case.rows, case.rate)
    with pytest.raises(AssertionError):
        check_close(case.latent.T, expected[0])
