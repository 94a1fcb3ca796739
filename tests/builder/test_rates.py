"""The rate that a block starts with, by hand (docs/training.md, "The recipe")."""

from __future__ import annotations

import math

import pytest

from tinyfoa_rt.builder.rates import BlockSize, rate_law
from tinyfoa_rt.ir.optimizers import optimizer_of

# 16 channels on 32 x 32 positions, from 16 channels of bits, half of which are set: 144 inputs of mean square 1/2.
INPUTS = (144, 1, 1024)  # fan-in, slices, positions of a weight
DENSE_LIKE = 0.05 * 16**0.5 * 0.5 * 784 / 72


@pytest.mark.parametrize(
    ("units", "unit_positions"), [(16, 1024), (16 * 16, 64), (16 * 1024, 1)], ids=["average", "grid", "none"]
)
def test_kernels_start_alike_whatever_their_head_sees(units: int, unit_positions: int) -> None:
    size = BlockSize(units, unit_positions, *INPUTS)
    assert rate(size, 0.5) == pytest.approx(DENSE_LIKE)
    assert rate(size, 0.5, batch=10) == pytest.approx(DENSE_LIKE / 10)


def test_weights_of_one_place_under_a_mean_get_the_whole_of_it() -> None:
    size = BlockSize(units=16, unit_positions=49, fan_in=784, num_slices=1, weight_positions=1)
    assert rate(size, 1.0) == pytest.approx(0.05 * 49 * 4 * 0.5)


@pytest.mark.parametrize(("num_slices", "boost"), [(1, 0.5), (4, 1.5)])
def test_kernels_of_few_inputs_have_a_bound(num_slices: int, boost: float) -> None:
    size = BlockSize(units=32 * 16, unit_positions=16, fan_in=9, num_slices=num_slices, weight_positions=256)
    assert rate(size, 1.0) == pytest.approx(4 * boost)


@pytest.mark.parametrize(("num_slices", "boost", "behind_kernels"), [(1, 0.5, 2), (4, 1.5, 2), (64, 6, 6)])
def test_a_classifier_behind_kernels_is_faster_unless_slices_have_made_it_so(
    num_slices: int, boost: float, behind_kernels: float
) -> None:
    for is_behind, factor in ((False, boost), (True, behind_kernels)):
        size = BlockSize(0, 1, 2048, num_slices, 1, is_behind_kernels=is_behind)
        assert rate(size, 0.5) == pytest.approx(0.05 * 2**0.5 * 784 / 1024 * factor)


def test_small_inputs_get_no_larger_steps_than_inputs_of_a_quarter() -> None:
    law = rate_law(optimizer_of("momentum"), 100, BlockSize(10, 1, 20, 1, 1))
    assert law.at(0.0) == law.at(0.25) == 4 * law.at(1.0)


def test_steps_that_do_not_follow_gradients_have_one_rate() -> None:
    law = rate_law(optimizer_of("adam"), 25, BlockSize(10, 1, 20, 4, 1))
    assert law.at(0.01) == law.at(7.0) == pytest.approx(6e-5 * math.sqrt(0.25 * 2000 * 1.5))


def test_outputs_of_a_mean_share_the_error() -> None:
    law = rate_law(optimizer_of("sgd"), 100, BlockSize(0, 1, 784, 1, 1, averaged_outputs=20))
    assert law.at(1.0) == pytest.approx(0.05 * 0.5 * 20 / 40)


def rate(size: BlockSize, power: float, *, batch: int = 100) -> float:
    return rate_law(optimizer_of("sgd"), batch, size).at(power)
