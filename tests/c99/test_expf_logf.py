"""tfoa_expf and tfoa_logf against float64, whose own error (below 1e-16) is nothing beside an ulp of float32 (6e-8).

The bounds are what the headers promise: the worst over all float32, which EXHAUSTIVE=1 tries (three minutes a function). Else
every 4,099th is tried: a prime, so that all low bits occur.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.kernel_library import KERNELS, build_library, call

Array = NDArray[np.float32]
Real = NDArray[np.float64]

EXACT = {"expf": np.exp, "logf": np.log}
MAX_ULPS = {"expf": 0.991, "logf": 0.904}  # at x = -5.85 and x = 0.707
STRIDE = 1 if os.environ.get("EXHAUSTIVE") else 4099
CHUNK = 1 << 22
LARGEST = float(np.finfo(np.float32).max)
OVERFLOW = LARGEST * (1 + 2.0**-25)  # what rounds to infinity


@pytest.fixture(scope="module", params=["gcc", "clang"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = [KERNELS / "plain" / "expf.c", KERNELS / "plain" / "logf.c", Path(__file__).with_name("apply_float.c")]
    return build_library(tmp_path_factory.mktemp("float"), request.param, sources)


def apply(library: ctypes.CDLL, name: str, x: Array) -> Array:
    y = np.empty_like(x)
    call(library, f"apply_{name}", x.size, x, y)
    return y


def all_floats() -> Iterator[Array]:
    """Every STRIDE-th float32 by its bits, in order: all exponents, signs, subnormal numbers, infinities and NaNs."""
    for start in range(0, 1 << 32, CHUNK * STRIDE):
        bits = np.arange(start, min(start + CHUNK * STRIDE, 1 << 32), STRIDE, dtype=np.uint64)
        yield bits.astype(np.uint32).view(np.float32)


def errors_in_ulps(actual: Array, exact: Real) -> Real:
    """|actual - exact| in units of the last place of a float32 of that size; subnormal numbers have the smallest unit, 2^-149."""
    _, exponent = np.frexp(np.where(exact == 0, 1, exact))
    ulp = np.ldexp(1.0, np.maximum(exponent, -125) - 24)
    overflows = exact >= OVERFLOW
    wrong = np.where(np.isinf(actual), 0.0, np.inf)
    return np.where(overflows, wrong, np.abs(actual.astype(np.float64) - np.where(overflows, 0, exact)) / ulp)


def worst_error(library: ctypes.CDLL, name: str, batches: Iterable[Array], *, factor: float = 1.0) -> float:
    """The greatest error in ulps over all x for which the exact result is a number."""
    worst = 0.0
    for x in batches:
        with np.errstate(all="ignore"):
            exact = EXACT[name](x.astype(np.float64))
        defined = np.isfinite(x) & ~np.isnan(exact) & (exact != -np.inf)
        if defined.any():
            actual = apply(library, name, x[defined]) * np.float32(factor)
            worst = max(worst, float(np.max(errors_in_ulps(actual, exact[defined]))))
    return worst


@pytest.mark.parametrize("name", EXACT)
def test_error_over_all_numbers(library: ctypes.CDLL, name: str) -> None:
    assert worst_error(library, name, all_floats()) <= MAX_ULPS[name]


@pytest.mark.parametrize("name", EXACT)
def test_a_result_two_ulps_off_is_found(library: ctypes.CDLL, name: str) -> None:
    assert worst_error(library, name, all_floats(), factor=1 + 2.0**-22) > MAX_ULPS[name]


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("expf", [(0.0, 1.0), (-0.0, 1.0), (np.inf, np.inf), (-np.inf, 0.0), (np.nan, np.nan), (3e38, np.inf), (-3e38, 0.0)]),
        ("expf", [(-104.0, 0.0), (np.float32(-103.9), 2.0**-149), (89.0, np.inf), (1e-30, 1.0)]),
        (
            "logf",
            [(1.0, 0.0), (0.0, -np.inf), (-0.0, -np.inf), (np.inf, np.inf), (-1.0, np.nan), (-np.inf, np.nan), (np.nan, np.nan)],
        ),
        ("logf", [(-1e-45, np.nan), (2.0**-149, np.float32(np.log(2.0**-149)))]),
    ],
)
def test_ends_of_the_range(library: ctypes.CDLL, name: str, pairs: list[tuple[float, float]]) -> None:
    x, expected = (np.array(side, np.float32) for side in zip(*pairs))
    np.testing.assert_array_equal(apply(library, name, x), expected)


@pytest.mark.parametrize("name", EXACT)
def test_where_the_method_changes(library: ctypes.CDLL, name: str) -> None:
    """All neighbours of the limits: overflow, underflow, subnormal results and arguments, 1, sqrt(1/2), half of ln 2."""
    limits = np.array([88.72284, -103.97208, -87.33655, 1.0, np.sqrt(0.5), 2.0**-126, np.log(2) / 2], np.float32).view(np.int32)
    neighbours = (np.arange(limit - 2000, limit + 2000, dtype=np.int32).view(np.float32) for limit in limits)
    assert worst_error(library, name, neighbours) <= MAX_ULPS[name]
