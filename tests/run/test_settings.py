"""The rate over the steps of a block."""

from __future__ import annotations

import math

import pytest

from tinyfoa_rt.artifact.settings import rate_at

STEPS = 200


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
