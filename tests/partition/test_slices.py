"""Slices: they tile every layer exactly, and schedules visit them in turn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.partition.schedule import active_slices, rotations, update_fraction
from tinyfoa_rt.partition.slices import largest_slice, slice_at, split


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
    for index in range(slices.count):
        part = slice_at(layer, slices, index)
        hits[part.out_start : part.out_stop, part.in_start : part.in_stop] += 1
        widest = (max(widest[0], part.num_inputs), max(widest[1], part.num_outputs))
    assert (hits == 1).all()
    assert largest_slice(layer, slices) == widest


def test_slice_schedule_stays_and_then_goes_on() -> None:
    slices = Slices(2, 2)
    visited = [active_slices("slice", slices, step=step, steps_per_epoch=10, rotate_every=3) for step in range(13)]
    assert visited == [(0,)] * 3 + [(1,)] * 3 + [(2,)] * 3 + [(3,)] * 3 + [(0,)]


def test_freeze_diagonal_freezes_one_diagonal_slice_an_epoch() -> None:
    slices = Slices(2, 2)
    first = active_slices("freeze-diagonal", slices, step=9, steps_per_epoch=10, rotate_every=1)
    second = active_slices("freeze-diagonal", slices, step=10, steps_per_epoch=10, rotate_every=1)
    assert (first, second) == ((1, 2, 3), (0, 1, 2))


def test_full_updates_everything() -> None:
    assert active_slices("full", Slices(2, 3), step=7, steps_per_epoch=10, rotate_every=1) == tuple(range(6))


@pytest.mark.parametrize(("schedule", "fraction"), [("slice", 1 / 6), ("freeze-diagonal", 5 / 6), ("full", 1.0)])
def test_update_fraction(schedule: str, fraction: float) -> None:
    assert math.isclose(update_fraction(schedule, Slices(2, 3)), fraction)


def test_an_epoch_writes_each_slice_once_unless_told_otherwise() -> None:
    assert rotations(1000, Slices(2, 2), None) == 4
    assert rotations(1000, Slices(2, 2), 300) == 4
    assert rotations(10, Slices(2, 2), 300) == 1
