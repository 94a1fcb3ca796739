"""The state of a locally connected layer while its slices take turns: at all positions and taps, nothing is lost."""

from typing import Any

import numpy as np
import pytest

from tinyfoa_rt.artifact.records import OptimizerRecord
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.run.frozen_slice import FrozenSlice
from tinyfoa_rt.run.local_state import LocalState

GRID = SliceGrid((0, 2, 5), (0, 4, 7))
POSITIONS, TAPS = 6, 4


def layer(*, is_binary: bool = True, optimizer: str = "sgd", grid: SliceGrid = GRID) -> LocalState:
    rng = np.random.default_rng(0)
    weight = rng.uniform(-1, 1, (POSITIONS, TAPS, 5, 7)).astype(np.float32)
    bias = rng.normal(size=(7, POSITIONS)).astype(np.float32)
    return LocalState("lc", weight, bias, grid, OptimizerRecord.of(optimizer), is_binary)


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
@pytest.mark.parametrize("grid", [GRID, SliceGrid((0, 5), (0, 7))], ids=["2x2", "whole"])
def test_turns_without_steps_change_nothing_bit_for_bit(is_binary: bool, optimizer: str, grid: SliceGrid) -> None:
    state = layer(is_binary=is_binary, optimizer=optimizer, grid=grid)
    before = {name: array.copy() for name, array in {**state.arrays(), **state.forward_tensors()}.items()}
    for _ in range(2):
        for index in range(grid.count):
            state.begin_turn(index)
    state.end_turn()
    for name, array in {**state.arrays(), **state.forward_tensors()}.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_the_active_slice_is_apart() -> None:
    state = layer()
    whole, magnitude = state.signs.copy(), np.abs(state.weight)
    tensors = state.begin_turn(2)
    assert list(tensors["lc#origin"]) == [0, 4, 2, 3]
    assert (state.signs[:, :, 0:2, 4:7] == 0).all()
    np.testing.assert_array_equal(tensors["lc#w"], state.signs.reshape(POSITIONS, TAPS * 5, 7))
    np.testing.assert_array_equal(tensors["lc#w_slice#bits"], whole[:, :, 0:2, 4:7].reshape(POSITIONS, TAPS * 2, 3))
    # float32 sums of 20 numbers
    np.testing.assert_allclose(tensors["lc#abs_sum"][:, 4:7], magnitude[:, :, 2:5, 4:7].sum(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(tensors["lc#abs_sum_slice"], magnitude[:, :, 0:2, 4:7].sum(axis=(1, 2)), rtol=1e-6)
    assert (tensors["lc#bias"].reshape(7, POSITIONS)[4:7] == 0).all()


def test_what_a_step_writes_is_kept_in_its_place_and_nowhere_else() -> None:
    state = layer(optimizer="adam")
    before = {name: array.copy() for name, array in state.arrays().items()}
    tensors = state.begin_turn(2)
    for name in ("w_slice", "w_slice#mean", "bias_slice", "bias_slice#variance"):
        tensors[f"lc#{name}"][...] = 3
    tensors["lc#w_slice#step_count"][...] = 9
    state.end_turn()
    after = state.arrays()
    place = (slice(None), slice(None), slice(0, 2), slice(4, 7))
    places: dict[str, Any] = {"weight": place, "weight#mean": place, "bias": slice(4, 7), "bias#variance": (0, slice(4, 7))}
    for name, where in places.items():
        expected = before[f"lc#{name}"]
        expected[where] = 3
        np.testing.assert_array_equal(after[f"lc#{name}"], expected, err_msg=name)
    assert list(after["lc#step_count"]) == [0, 0, 9, 0]


def test_one_slice_is_trained_in_place() -> None:
    state = layer(grid=SliceGrid((0, 5), (0, 7)), optimizer="momentum")
    tensors = state.begin_turn(0)
    for name in ("w", "bias", "w#velocity", "bias#velocity"):
        tensors[f"lc#{name}"][...] = 2
    state.end_turn()
    assert (state.weight == 2).all() and (state.states["weight#velocity"] == 2).all()
    assert state.bias is not None and (state.bias == 2).all() and (state.states["bias#velocity"] == 2).all()


def test_a_frozen_slice_is_put_back() -> None:
    state = layer(grid=SliceGrid((0, 5), (0, 7)))
    frozen, before = FrozenSlice.of_epoch(state, 1), state.weight.copy()
    tensors = state.begin_turn(0)
    tensors["lc#w"][...] = 0.5
    tensors["lc#w#bits"][...] = 1
    frozen.restore()
    np.testing.assert_array_equal(state.weight[:, :, 2:, 3:], before[:, :, 2:, 3:])
    assert (state.weight[:, :, :2] == 0.5).all() and (state.weight[..., :3] == 0.5).all()
    np.testing.assert_array_equal(state.signs, np.where(state.weight >= 0, 1, -1))
