"""Normalization: measured as numpy does, applied in float32, the same after JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.run.data.data_files import images
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import Normalization
from tinyfoa_rt.run.data.normalization import measure


@pytest.mark.parametrize("axis", [None, 1, 3])
def test_chunks_are_merged_exactly(monkeypatch: pytest.MonkeyPatch, axis: int | None) -> None:
    monkeypatch.setattr("tinyfoa_rt.run.data.features._CHUNK_NBYTES", 700)
    x = images(101, (3, 5, 4)) + np.arange(4, dtype=np.float32) * 1000
    others = tuple(i for i in range(4) if i != axis)
    measured = measure(x, axis)
    np.testing.assert_allclose(measured.mean, x.mean(axis=others, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(measured.std, x.std(axis=others, dtype=np.float64), rtol=1e-12)


def test_a_constant_column_becomes_zero() -> None:
    x = np.array([[0.1, 1], [0.1, 3], [0.1, 5]], dtype=np.float32)
    normalized = measure(x, 1).apply(x)
    np.testing.assert_allclose(normalized[:, 0], 0, atol=1e-7)
    np.testing.assert_allclose(normalized[:, 1], [-np.sqrt(1.5), 0, np.sqrt(1.5)], atol=1e-6)


def test_apply_makes_float32_and_leaves_its_argument() -> None:
    x = images(7)
    normalized = Normalization(100.0, 50.0).apply(x)
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized, (images(7) - 100.0) / 50, rtol=1e-6)
    np.testing.assert_array_equal(x, images(7))


def test_channels_are_found_on_their_axis() -> None:
    x = images(4, (2, 2, 3))
    normalized = Normalization((0.0, 10.0, 20.0), (1.0, 2.0, 4.0), axis=3).apply(x)
    np.testing.assert_allclose(normalized, (x - np.array([0.0, 10, 20])) / [1, 2, 4], rtol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (5, 4), (5, 12)])
def test_another_number_of_channels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="axis 1 should have 3 channels"):
        Normalization((0.0,) * 3, (1.0,) * 3).apply(np.zeros(shape, np.float32))


FINITE = st.floats(-1e38, 1e38)
POSITIVE = st.floats(2e-38, 1e38)


@given(channels=st.lists(st.tuples(FINITE, POSITIVE), min_size=1, max_size=5), axis=st.integers(1, 4), is_scalar=st.booleans())
def test_json_round_trip(channels: list[tuple[float, float]], axis: int, is_scalar: bool) -> None:
    mean, std = zip(*channels)
    normalization = Normalization(mean[0], std[0], axis) if is_scalar else Normalization(mean, std, axis)
    assert Normalization.from_json(json.loads(json.dumps(normalization.to_json()))) == normalization


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is not an object"),
        ({"mean": 0}, "is not an object"),
        ({"mean": 0, "std": 0, "axis": 1}, "std is not greater than 0"),
        ({"mean": 0, "std": 1e-300, "axis": 1}, "std is not greater than 0"),
        ({"mean": [0, 1], "std": [1, -1], "axis": 1}, "std is not greater than 0"),
        ({"mean": [0, 1], "std": [1], "axis": 1}, "differ in their number"),
        ({"mean": [0], "std": 1, "axis": 1}, "differ in their number"),
        ({"mean": float("nan"), "std": 1, "axis": 1}, "not a finite number"),
        ({"mean": 10**400, "std": 1, "axis": 1}, "not a finite number"),
        ({"mean": "0", "std": 1, "axis": 1}, "not a finite number"),
        ({"mean": [[0]], "std": [[1]], "axis": 1}, "not a finite number"),
        ({"mean": [], "std": [], "axis": 1}, "not a finite number"),
        ({"mean": True, "std": 1, "axis": 1}, "not a finite number"),
        ({"mean": 0, "std": 1, "axis": 0}, "axis is not a whole number"),
        ({"mean": 0, "std": 1, "axis": True}, "axis is not a whole number"),
    ],
)
def test_a_damaged_record_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Normalization.from_json(value)
