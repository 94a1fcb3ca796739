"""The rate that a block starts with, by hand (docs/training.md, "The recipe"), and the rate over its steps."""

from __future__ import annotations

import math

import pytest

from tinyfoa_rt.artifact.settings import BlockSize, rate_at, rate_of_block

STEPS = 200
# 16 channels on 32 x 32 positions, from 16 channels of bits, half of which are set: 144 inputs of mean square 1/2.
INPUTS = {"fan_in": 144, "num_slices": 1, "weight_positions": 1024, "input_power": 0.5}
DENSE_LIKE = 0.05 * 16**0.5 * 0.5 * 784 / 72


@pytest.mark.parametrize(
    ("units", "unit_positions"), [(16, 1024), (16 * 16, 64), (16 * 1024, 1)], ids=["average", "grid", "none"]
)
def test_kernels_start_alike_whatever_their_head_sees(units: int, unit_positions: int) -> None:
    size = BlockSize(units, unit_positions, **INPUTS)  # type: ignore[arg-type]
    assert rate_of_block("sgd", 100, size) == pytest.approx(DENSE_LIKE)
    assert rate_of_block("sgd", 10, size) == pytest.approx(DENSE_LIKE / 10)


def test_weights_of_one_place_under_a_mean_get_the_whole_of_it() -> None:
    size = BlockSize(units=16, unit_positions=49, fan_in=784, num_slices=1, weight_positions=1, input_power=1)
    assert rate_of_block("sgd", 100, size) == pytest.approx(0.05 * 49 * 4 * 0.5)


@pytest.mark.parametrize(("num_slices", "boost"), [(1, 0.5), (4, 1.5)])
def test_kernels_of_few_inputs_have_a_bound(num_slices: int, boost: float) -> None:
    size = BlockSize(units=32 * 16, unit_positions=16, fan_in=9, num_slices=num_slices, weight_positions=256, input_power=1)
    assert rate_of_block("sgd", 100, size) == pytest.approx(4 * boost)


@pytest.mark.parametrize(("num_slices", "boost", "behind_kernels"), [(1, 0.5, 2), (4, 1.5, 2), (64, 6, 6)])
def test_a_classifier_behind_kernels_is_faster_unless_slices_have_made_it_so(
    num_slices: int, boost: float, behind_kernels: float
) -> None:
    for is_behind, factor in ((False, boost), (True, behind_kernels)):
        size = BlockSize(0, 1, 2048, num_slices, 1, 0.5, is_behind_kernels=is_behind)
        assert rate_of_block("sgd", 100, size) == pytest.approx(0.05 * 2**0.5 * 784 / 1024 * factor)


def test_the_rate_rises_over_a_tenth_of_the_steps_and_then_falls_to_zero() -> None:
    rates = [rate_at(2.0, "cosine", step, STEPS) for step in range(STEPS)]
    peak = rates.index(max(rates))
    assert peak == STEPS // 10 - 1
    assert rates[0] == pytest.approx(2.0 / (STEPS // 10), rel=1e-3)  # a twentieth of the cosine, which has hardly begun to fall
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[STEPS // 2] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 + math.cos(math.pi * (STEPS - 1) / STEPS))


def test_a_constant_rate_is_the_same_from_the_first_step_on() -> None:
    assert {rate_at(2.0, "constant", step, STEPS) for step in range(STEPS)} == {2.0}


def test_few_steps_begin_at_the_full_rate() -> None:
    assert rate_at(2.0, "cosine", 0, 5) == 2.0
