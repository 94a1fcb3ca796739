"""Slices: they tile every layer exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.slices import SliceGrid, split
from tinyfoa_rt.partition.schedule import rotations, update_fraction


def dense(n_in: int, n_out: int) -> Layer:
    return Layer("fc", "dense", (), "w", None, "x", "z", n_in, n_out)


@given(st.integers(1, 500), st.data(), st.sampled_from([1, 8, 32]))
def test_split_covers_the_axis_with_parts_that_are_not_empty(length: int, data: st.DataObject, granule: int) -> None:
    parts = data.draw(st.integers(1, length))
    bounds = split(length, parts, granule)
    assert len(bounds) == parts + 1
    assert bounds[0] == 0
    assert bounds[-1] == length
    assert all(a < b for a, b in zip(bounds, bounds[1:]))


def test_input_splits_fall_on_words_where_the_axis_is_long_enough() -> None:
    assert split(784, 2, 32) == (0, 384, 784)
    assert split(2000, 2, 32) == (0, 992, 2000)
    assert split(10, 3) == (0, 3, 6, 10)


@given(st.integers(1, 200), st.integers(1, 60), st.data())
def test_slices_tile_the_weight_matrix(n_in: int, n_out: int, data: st.DataObject) -> None:
    slices = Slices(data.draw(st.integers(1, min(n_in, 9))), data.draw(st.integers(1, min(n_out, 9))))
    layer = dense(n_in, n_out)
    hits = np.zeros((n_out, n_in), dtype=int)
    widest = (0, 0)
    grid = SliceGrid.of(layer, slices)
    for part in grid:
        hits[part.outs, part.ins] += 1
        widest = (max(widest[0], part.num_ins), max(widest[1], part.num_outs))
    assert (hits == 1).all()
    assert grid.largest == widest
    assert grid.is_even == ({(part.num_ins, part.num_outs) for part in grid} == {widest})


@pytest.mark.parametrize(("schedule", "fraction"), [("slice", 1 / 6), ("freeze-diagonal", 5 / 6), ("full", 1.0)])
def test_update_fraction(schedule: str, fraction: float) -> None:
    assert math.isclose(update_fraction(schedule, Slices(2, 3)), fraction)


def test_an_epoch_writes_each_slice_once_unless_told_otherwise() -> None:
    assert rotations(1000, 4, None) == 4
    assert rotations(1000, 4, 300) == 4
    assert rotations(10, 4, 300) == 1
