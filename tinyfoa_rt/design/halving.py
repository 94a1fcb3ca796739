"""Successive halving: all candidates are trained a little, the better half of them twice as long, until one is left.

K. Jamieson, A. Talwalkar: Non-stochastic Best Arm Identification and Hyperparameter Optimization (2016), section 3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tinyfoa_rt.design.trial import Measured

__all__ = ["Halving", "Step", "rungs_of"]

_LEAST_SAMPLES = 2000


@dataclass(frozen=True)
class Step:
    """A trial that begins, or has ended.

    Attributes:
        candidate: its number.
        rung: from 0.
        place: among the trials of the rung, from 0.
        samples: that it is trained on.
        seconds_left: an estimate for it and all that is to come; ``None`` before anything was measured.
        measured: ``None`` where it begins.
    """

    candidate: int
    rung: int
    place: int
    samples: int
    seconds_left: float | None
    measured: Measured | None = None


def rungs_of(count: int, most_samples: int) -> list[tuple[int, int]]:
    """Return the rungs of ``count`` candidates: how many are trained and on how many samples, the last two on the most."""
    sizes = [count]
    while sizes[-1] > 2:
        sizes.append(-(-sizes[-1] // 2))
    doublings = range(len(sizes) - 1, -1, -1)
    return [(size, max(_LEAST_SAMPLES, most_samples >> power)) for size, power in zip(sizes, doublings)]


@dataclass
class Halving:
    """Trials of candidates, which are numbered from 0.

    Attributes:
        rungs: as :func:`rungs_of` returns them.
        measure: trains a candidate on so many samples.
        seconds: after which no trial begins that would end later, by what is known of its candidate.
        results: of each rung that was begun, by candidate.
        was_cut: whether time has ended it before the last trial.
        was_interrupted: whether Ctrl-C has.
    """

    rungs: Sequence[tuple[int, int]]
    measure: Callable[[int, int], Measured]
    seconds: float
    results: list[dict[int, Measured]] = field(default_factory=list)
    was_cut: bool = False
    was_interrupted: bool = False

    def run(self, watch: Callable[[Step], None] = lambda step: None) -> None:
        """Take all trials that there is time for; Ctrl-C ends them, and what is known stays known."""
        end = time.monotonic() + self.seconds
        try:
            self._climb(end, watch)
        except KeyboardInterrupt:
            self.was_interrupted = True

    @property
    def best(self) -> int | None:
        """The candidate with the best score in the highest rung that has any, of equals the last; ``None`` where none has."""
        found = next((results for results in reversed(self.results) if results), {})
        return max(found, key=lambda candidate: (found[candidate].score, candidate), default=None)

    def _climb(self, end: float, watch: Callable[[Step], None]) -> None:
        running = list(range(self.rungs[0][0]))
        speeds: dict[int, float] = {}  # seconds a sample
        for number, (count, samples) in enumerate(self.rungs):
            running = running[:count]
            self.results.append({})
            for place, candidate in enumerate(running):
                left = self._seconds_left(number, running[place:], speeds)
                if speeds and time.monotonic() + self._speed(candidate, speeds) * samples > end:
                    self.was_cut = True
                    return
                step = Step(candidate, number, place, samples, left)
                watch(step)
                measured = self.measure(candidate, samples)
                speeds[candidate] = measured.seconds / samples
                self.results[-1][candidate] = measured
                watch(replace(step, measured=measured))
            running.sort(key=lambda candidate: -self.results[number][candidate].score)

    def _seconds_left(self, rung: int, waiting: Sequence[int], speeds: dict[int, float]) -> float | None:
        """Of what waits in a rung, and of all rungs above it."""
        if not speeds:
            return None
        mean = sum(speeds.values()) / len(speeds)
        above = sum(mean * count * samples for count, samples in self.rungs[rung + 1 :])
        return above + sum(self._speed(candidate, speeds) * self.rungs[rung][1] for candidate in waiting)

    @staticmethod
    def _speed(candidate: int, speeds: dict[int, float]) -> float:
        """Seconds a sample: as in the rung below, or the mean of what is known."""
        return speeds.get(candidate, sum(speeds.values()) / len(speeds))
