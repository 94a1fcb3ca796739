"""Products of packed bits, in each variant that this machine can run, against NumPy: integers, and so exactly equal."""

from __future__ import annotations

import ctypes
from ctypes import c_int32
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.c99.kernel_library import build_library, call
from tests.c99.packed_kernels import CPU_FLAGS, NAMES, VARIANT_FLAGS, PackedShape, SignedShape, packed, signs_of
from tests.c99.platforms import kernel_sources

INPUTS = st.one_of(st.integers(1, 300), st.sampled_from([784, 2000, 7936, 7968, 8191]))
SMALL = st.integers(1, 6)
SEED = st.integers(0, 2**32 - 1)


@pytest.fixture(
    scope="module", params=[(variant, compiler) for variant in VARIANT_FLAGS for compiler in ("gcc", "clang")], ids="-".join
)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    variant, compiler = request.param
    if CPU_FLAGS.get(variant, "") not in Path("/proc/cpuinfo").read_text():
        pytest.skip(f"this processor has no {CPU_FLAGS[variant]}; test_digests.py runs the kernels in plain C")
    sources = kernel_sources(variant, NAMES)
    return build_library(tmp_path_factory.mktemp(variant), compiler, sources, flags=VARIANT_FLAGS[variant])


def drawn_bits(seed: int, rows: int, count: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((rows, count)) < 0.5


@given(batch=SMALL, outputs=st.integers(1, 9), inputs=INPUTS, gaps=st.tuples(*[st.integers(0, 2)] * 2), seed=SEED)
@settings(max_examples=60)
def test_packed_matmul(library: ctypes.CDLL, batch: int, outputs: int, inputs: int, gaps: tuple[int, int], seed: int) -> None:
    x, w = drawn_bits(seed, batch, inputs), drawn_bits(seed + 1, outputs, inputs)
    words = -(-inputs // 32)
    dot = np.full((batch, outputs), -1, np.int32)
    shape = PackedShape(batch, outputs, words, words + gaps[0], words + gaps[1])
    call(library, "tfoa_packed_matmul", shape, packed(x, words + gaps[0]), packed(w, words + gaps[1]), dot)
    np.testing.assert_array_equal(dot, x.astype(np.int64) @ signs_of(w).T)


@given(batch=SMALL, outputs=st.integers(1, 9), inputs=INPUTS, gaps=st.tuples(*[st.integers(0, 2)] * 2), seed=SEED)
@settings(max_examples=60)
def test_signed_matmul(library: ctypes.CDLL, batch: int, outputs: int, inputs: int, gaps: tuple[int, int], seed: int) -> None:
    words = -(-inputs // 32)
    q = np.random.default_rng(seed).integers(-32768, 32768, (batch, inputs + gaps[0]), np.int16)
    w = drawn_bits(seed + 1, outputs, inputs)
    sums = np.full((batch, outputs), -1, np.int32)
    shape = SignedShape(batch, outputs, inputs, inputs + gaps[0], words + gaps[1])
    call(library, "tfoa_signed_matmul", shape, q, packed(w, words + gaps[1]), sums)
    np.testing.assert_array_equal(sums, q[:, :inputs].astype(np.int64) @ signs_of(w).T)


def row_product(library: ctypes.CDLL, name: str, *arguments: Any) -> int:
    kernel = getattr(library, name)
    kernel.restype = c_int32
    return int(
        kernel(*(ctypes.c_void_p(each.ctypes.data) if isinstance(each, np.ndarray) else c_int32(each) for each in arguments))
    )


@given(inputs=INPUTS, seed=SEED)
@settings(max_examples=60)
def test_products_of_rows(library: ctypes.CDLL, inputs: int, seed: int) -> None:
    x, w = drawn_bits(seed, 1, inputs), drawn_bits(seed + 1, 1, inputs)
    q = np.random.default_rng(seed).integers(-32768, 32768, inputs, np.int16)
    words = -(-inputs // 32)
    x_words, w_words = packed(x, words), packed(w, words)
    assert row_product(library, "tfoa_packed_dot", x_words, w_words, words) == np.count_nonzero(x & w)
    assert row_product(library, "tfoa_packed_count", x_words, words) == np.count_nonzero(x)
    assert row_product(library, "tfoa_signed_sum", q, w_words, inputs) == int(q.astype(np.int64) @ signs_of(w)[0])


def test_the_largest_sums(library: ctypes.CDLL) -> None:
    """65,535 numbers of the largest magnitude, all of one sign: what 32 bits just hold."""
    inputs = 65535
    words = -(-inputs // 32)
    q = np.full(inputs, -32768, np.int16)
    w = packed(np.zeros((1, inputs), np.bool_), words)
    assert row_product(library, "tfoa_signed_sum", q, w, inputs) == 32768 * inputs
    ones = packed(np.ones((1, inputs), np.bool_), words)
    assert row_product(library, "tfoa_packed_dot", ones, ones, words) == inputs
