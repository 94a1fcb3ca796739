"""The gradient that an emitted step takes beside central differences of its loss, in float64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.emit.drawn_steps import DrawnStep, StepCase
from tests.emit.float64_step import Float64Step

__all__ = ["Gradient", "check", "check_equal"]

Array = NDArray[Any]

STEP = 5e-6
# Rounding: a loss up to 10 is off by 1e-15, which is divided by twice the step, and by 2e-10 then. The rest of the series is
# step^2 / 6 times the third derivative, up to two thousand behind a normalization: 0.9e-8. Attributes are float32, each off
# by 3e-8 of what it multiplies, in directions of unit length: both are relative to the gradient's length where that is above 1.
ABSOLUTE = 2e-8


class Gradient:
    """The gradient that a step takes, and its loss as a function of what it trains."""

    def __init__(self, case: StepCase, folder: Path) -> None:
        drawn = DrawnStep(case, folder)
        self.rng, self.feeds, self.trained = drawn.rng, drawn.feeds, drawn.trained
        self.step = Float64Step(drawn.model)
        after = self.step.run(self.feeds)
        # Plain SGD, and the first step of momentum: w - rate * gradient.
        rate = float(self.feeds["#rate"])
        self.of = {name: (self.feeds[name] - after[f"{name}#next"]) / rate for name in self.trained}

    def directions(self) -> Iterator[Mapping[str, Array]]:
        """Two through all parameters at once, and one along a single number of each."""
        for _ in range(2):
            drawn = {name: self.rng.normal(size=grad.shape) for name, grad in self.of.items()}
            length = np.sqrt(sum((each**2).sum() for each in drawn.values()))
            yield {name: each / length for name, each in drawn.items()}
        for name, grad in self.of.items():
            single = np.zeros(grad.shape)
            single.reshape(-1)[self.rng.integers(single.size)] = 1
            yield {name: single}

    def slope(self, direction: Mapping[str, Array]) -> float:
        """The central difference of the loss."""
        there, back = (
            self.step.loss({**self.feeds, **{name: self.feeds[name] + sign * STEP * d for name, d in direction.items()}})
            for sign in (1, -1)
        )
        return (there - back) / (2 * STEP)


def check_equal(of: Mapping[str, Array], slopes: list[tuple[Mapping[str, Array], float]]) -> None:
    length = np.sqrt(sum(float((grad**2).sum()) for grad in of.values()))
    for direction, slope in slopes:
        expected = sum(float((of[name] * part).sum()) for name, part in direction.items())
        assert abs(slope - expected) <= ABSOLUTE * max(1, length), (slope, expected)


def check(case: StepCase, folder: Path) -> Gradient:
    gradient = Gradient(case, folder)
    check_equal(gradient.of, [(each, gradient.slope(each)) for each in gradient.directions()])
    return gradient
