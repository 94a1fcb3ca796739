"""The state of a layer while its slices take turns: nothing is lost, and products see the slice apart."""

import numpy as np
import pytest

from tinyfoa_rt.run.state import DenseState

PARTS = [(0, 5, 0, 4), (5, 9, 0, 4), (0, 5, 4, 7), (5, 9, 4, 7)]


def layer(*, is_binary: bool = True, optimizer: str = "sgd") -> DenseState:
    rng = np.random.default_rng(0)
    weight = rng.uniform(-1, 1, (9, 7)).astype(np.float32)
    return DenseState("fc", weight, rng.normal(size=7).astype(np.float32), optimizer, is_binary)


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_turn_without_steps_changes_nothing(is_binary: bool) -> None:
    state = layer(is_binary=is_binary)
    before = (state.weight.copy(), state.signs.copy(), state.bias.copy() if state.bias is not None else None)
    for part in PARTS:
        state.begin_turn(part)
    state.end_turn()
    np.testing.assert_array_equal(state.weight, before[0])
    np.testing.assert_array_equal(state.signs, before[1])
    assert state.bias is not None
    np.testing.assert_array_equal(state.bias, before[2])
    # float32 sums of 9 numbers
    np.testing.assert_allclose(state.abs_sum, np.abs(state.weight).sum(axis=0), rtol=1e-6)


def test_the_active_slice_is_apart() -> None:
    state = layer()
    whole, sums = state.signs.copy(), state.abs_sum.copy()
    tensors = state.begin_turn((0, 5, 4, 7))
    assert (state.signs[0:5, 4:7] == 0).all()
    np.testing.assert_array_equal(tensors["fc.w_slice.bits"], whole[0:5, 4:7])
    np.testing.assert_allclose(state.abs_sum[4:7] + tensors["fc.abs_sum_slice"], sums[4:7], rtol=1e-6)
    assert list(tensors["fc.origin"]) == [0, 4]


def test_optimizer_state_belongs_to_its_slice() -> None:
    state = layer(optimizer="adam")
    state.begin_turn(PARTS[0])["fc.w_slice.mean"][...] = 3
    assert (state.begin_turn(PARTS[1])["fc.w_slice.mean"] == 0).all()
    assert (state.begin_turn(PARTS[0])["fc.w_slice.mean"] == 3).all()


def test_sign_of_zero_is_plus_one() -> None:
    state = DenseState("fc", np.zeros((2, 2), dtype=np.float32), None)
    assert (state.signs == 1).all()
