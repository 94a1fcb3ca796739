"""Successive halving on trials whose results are made up."""

from __future__ import annotations

import pytest

from tinyfoa_rt.design.halving import Halving, Step, rungs_of
from tinyfoa_rt.design.trial import Measured


@pytest.mark.parametrize(
    ("count", "rungs"),
    [
        (1, [(1, 40_000)]),
        (2, [(2, 40_000)]),
        (3, [(3, 20_000), (2, 40_000)]),
        (24, [(24, 2500), (12, 5000), (6, 10_000), (3, 20_000), (2, 40_000)]),
    ],
)
def test_each_rung_halves_the_candidates_and_doubles_the_samples(count: int, rungs: list[tuple[int, int]]) -> None:
    assert rungs_of(count, 40_000) == rungs


def growing(candidate: int, samples: int) -> Measured:
    """Odd candidates are good, the more so the higher their number."""
    return Measured(0.0, 1.0, candidate / 10 if candidate % 2 else 0.0)


def test_the_better_half_goes_on_and_the_best_of_the_last_rung_wins() -> None:
    halving = Halving(rungs_of(8, 8000), growing, 60)
    halving.run()
    assert [set(results) for results in halving.results] == [set(range(8)), {1, 3, 5, 7}, {5, 7}]
    assert halving.best == 7
    assert not halving.was_cut and not halving.was_interrupted


def test_a_loss_is_better_the_smaller_it_is_and_what_diverges_is_last() -> None:
    losses = [Measured(0.0), Measured(0.0, 2.0), Measured(0.0, 0.5)]
    halving = Halving([(3, 100)], lambda candidate, samples: losses[candidate], 60)
    halving.run()
    assert halving.best == 2
    assert [str(each) for each in losses] == ["diverged", "loss 2", "loss 0.5"]
    assert str(Measured(1.0, 0.3, 0.9125)) == "91.2%"
    assert sorted(losses, key=lambda each: each.score) == losses


def test_ctrl_c_keeps_what_is_known() -> None:
    def interrupted(candidate: int, samples: int) -> Measured:
        if samples == 4000 and candidate == 1:
            raise KeyboardInterrupt
        return growing(candidate, samples)

    halving = Halving(rungs_of(4, 4000), interrupted, 60)
    halving.run()
    assert halving.was_interrupted and halving.best == 3
    nothing = Halving([(1, 4000)], lambda candidate, samples: interrupted(1, 4000), 60)
    nothing.run()
    assert nothing.best is None


def test_no_trial_begins_that_would_end_too_late() -> None:
    def slow(candidate: int, samples: int) -> Measured:
        return Measured(samples / 1000, 1.0, 0.1 * candidate)

    steps: list[Step] = []
    halving = Halving(rungs_of(4, 4000), slow, 3.0)  # 2 s each in the first rung, then 4 s each
    halving.run(steps.append)
    assert halving.was_cut and halving.best == 3
    begun = [step for step in steps if step.measured is None]
    # Seconds left: 3 trials of 2 s wait after the first, and 2 of 4 s in the rung above.
    assert [step.seconds_left for step in begun] == [None, 14, 12, 10]
