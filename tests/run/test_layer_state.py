"""The state of a layer while its slices take turns: nothing is lost, and products see the slice apart."""

import numpy as np
import pytest

from tinyfoa_rt.artifact.records import OptimizerRecord
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.run.layer_state import LayerState

GRID = SliceGrid((0, 5, 9), (0, 4, 7))


def layer(*, is_binary: bool = True, optimizer: str = "sgd", grid: SliceGrid = GRID) -> LayerState:
    rng = np.random.default_rng(0)
    weight = rng.uniform(-1, 1, (9, 7)).astype(np.float32)
    return LayerState("fc", weight, rng.normal(size=7).astype(np.float32), grid, OptimizerRecord.of(optimizer), is_binary)


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
def test_turns_without_steps_change_nothing_bit_for_bit(is_binary: bool, optimizer: str) -> None:
    state = layer(is_binary=is_binary, optimizer=optimizer)
    before = {name: array.copy() for name, array in {**state.arrays(), **state.forward_tensors()}.items()}
    for _ in range(2):
        for index in range(GRID.count):
            state.begin_turn(index)
    state.end_turn()
    for name, array in {**state.arrays(), **state.forward_tensors()}.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_an_interrupted_turn_gives_the_same_tensors() -> None:
    state = layer(optimizer="momentum")
    tensors = state.begin_turn(2)
    tensors["fc#w_slice"] += 0.01
    tensors["fc#abs_sum_slice"] += np.float32(0.1)
    first = {name: array.copy() for name, array in tensors.items()}
    state.end_turn()
    for name, array in state.begin_turn(2).items():
        np.testing.assert_array_equal(array, first[name], err_msg=name)


def test_the_active_slice_is_apart() -> None:
    state = layer()
    whole = state.signs.copy()
    sums = np.abs(state.weight).sum(axis=0)
    tensors = state.begin_turn(2)
    assert list(tensors["fc#origin"]) == [0, 4, 5, 3]
    assert (state.signs[0:5, 4:7] == 0).all()
    np.testing.assert_array_equal(tensors["fc#w_slice#bits"], whole[0:5, 4:7])
    # float32 sums of 9 numbers
    np.testing.assert_allclose(tensors["fc#abs_sum"][4:7] + tensors["fc#abs_sum_slice"], sums[4:7], rtol=1e-6)


def test_optimizer_state_belongs_to_its_slice() -> None:
    state = layer(optimizer="adam")
    tensors = state.begin_turn(0)
    tensors["fc#w_slice#mean"][...] = 3
    tensors["fc#w_slice#step_count"][...] = 5
    tensors = state.begin_turn(1)
    assert (tensors["fc#w_slice#mean"] == 0).all()
    assert tensors["fc#w_slice#step_count"] == 0
    tensors = state.begin_turn(0)
    assert (tensors["fc#w_slice#mean"] == 3).all()
    assert tensors["fc#w_slice#step_count"] == 5
    state.end_turn()
    assert list(state.states["step_count"]) == [5, 0, 0, 0]


def test_numbers_of_a_slice_are_its_own_and_kept() -> None:
    state = layer(optimizer="normalized")
    tensors = state.begin_turn(2)
    tensors["fc#w_slice#power"][...] = 3
    tensors["fc#bias_slice#power"][...] = 4
    assert state.begin_turn(1)["fc#w_slice#power"] == 0
    state.end_turn()
    kept = {name: array.copy() for name, array in state.arrays().items()}
    assert [list(kept[f"fc#{of}#power"]) for of in ("weight", "bias")] == [[0, 0, 3, 0], [0, 0, 4, 0]]
    other = layer(optimizer="normalized")
    other.restore(kept)
    tensors = other.begin_turn(2)
    assert tensors["fc#w_slice#power"] == 3 and tensors["fc#bias_slice#power"] == 4
    other.end_turn()
    other.reset_optimizer()
    assert not any(array.any() for array in other.states.values())


def test_one_slice_is_trained_in_place() -> None:
    state = layer(grid=SliceGrid((0, 9), (0, 7)))
    tensors = state.begin_turn(0)
    assert np.shares_memory(tensors["fc#w"], state.weight)
    tensors["fc#abs_sum"][...] = 2
    state.end_turn()
    assert (state.abs_sums == 2).all()


def test_sign_of_zero_is_plus_one() -> None:
    state = LayerState("fc", np.zeros((2, 2), dtype=np.float32), None, SliceGrid((0, 2), (0, 2)), OptimizerRecord.of("sgd"))
    assert (state.signs == 1).all()
