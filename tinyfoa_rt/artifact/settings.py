"""How long and how fast to train: what a user may set, and the rate over the steps of a block (docs/training.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tinyfoa_rt.errors import UsageError

__all__ = ["SAMPLING", "STOPS", "TrainSettings", "rate_at"]

_STEPS_A_TURN = 1
# The rate rises over the first tenth of a block's steps.
_WARM_UPS = 10
# How samples are drawn: in proportion to 1 / count ** power of their class; 0 takes each once.
SAMPLING: Mapping[str, float] = {"uniform": 0.0, "sqrt": 0.5, "balanced": 1.0}

# Where the trained model ends.
STOPS = ("last", "best")


@dataclass(frozen=True)
class TrainSettings:
    """What ``fit`` is told.

    Attributes:
        epochs: passes over the data for each block.
        rate: factor on the rate that follows from optimizer, batch, slices and inputs.
        rate_schedule: ``cosine`` (up in the first tenth of a block's steps, then down to zero) or ``constant``.
        rotate_every: steps that a slice stays; ``None`` for the recipe's own.
        seed: of the order of samples.
        sampling: ``uniform`` takes each sample once an epoch; ``sqrt`` and ``balanced`` draw as many of them, in proportion to
            1 / sqrt(count) and 1 / count of their class.
        validation: the share of the samples that is held back, by chance and from the seed: on it each block is measured behind
            every epoch, and it is never trained on; 0 for none.
        stop: ``last``, or ``best``: the model ends at the block whose own prediction is best on what is held back.
        patience: a block ends when it has not become better on what is held back for so many epochs, and goes on as it was
            behind its best one; ``None`` for all epochs and the last state.
        blocks: names of the blocks that are trained, ``None`` for all; the others stay as they are.

    Raises:
        UsageError: a value is out of range.
    """

    epochs: int = 10
    rate: float = 1.0
    rate_schedule: str = "cosine"
    rotate_every: int | None = None
    seed: int = 0
    sampling: str = "uniform"
    validation: float = 0.0
    stop: str = "last"
    patience: int | None = None
    blocks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 1_000_000:
            raise UsageError(f"--epochs {self.epochs}", "is not between 1 and 1,000,000", "give a whole number such as 10")
        if not 0 < self.rate < math.inf:
            raise UsageError(f"--rate {self.rate}", "is not above 0", "it multiplies the recipe's rate: begin with 1")
        if self.rate_schedule not in ("cosine", "constant"):
            raise UsageError(f"--rate-schedule {self.rate_schedule}", "is not known", "use cosine or constant")
        if self.sampling not in SAMPLING:
            raise UsageError(f"--sampling {self.sampling}", "is not known", f"use {', '.join(SAMPLING)}")
        if not 0 <= self.validation < 1:
            raise UsageError(f"--validation {self.validation:g}", "is no share from 0 to 1", "give one such as 0.1, or a file")
        if self.stop not in STOPS:
            raise UsageError(f"--stop {self.stop}", "is not known", f"use {' or '.join(STOPS)}")
        if self.patience is not None and self.patience < 1:
            raise UsageError(f"--patience {self.patience}", "is below 1", "give a number of epochs")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}", "is below 0", "give a whole number from 0")
        if self.rotate_every is not None and self.rotate_every < 1:
            raise UsageError(f"--rotate-every {self.rotate_every}", "is below 1", "give a number of steps")
        if self.blocks is not None:
            object.__setattr__(self, "blocks", tuple(self.blocks))  # a list, as users give it
            if not self.blocks:
                raise UsageError("blocks", "names none", "leave it out to train all")

    def trains(self, block: str) -> bool:
        """Whether a block is one of those that are trained."""
        return self.blocks is None or block in self.blocks

    @property
    def steps_a_turn(self) -> int:
        """Steps that a slice stays; short turns learn better, long ones write less (docs/training.md)."""
        return _STEPS_A_TURN if self.rotate_every is None else self.rotate_every


def rate_at(start: float, schedule: str, step: int, num_steps: int) -> float:
    """The rate of step ``step`` of ``num_steps``: constant, or up over the first tenth and down to zero on half a cosine wave.

    At first the errors of a batch have much in common, more so where one class has most samples. At the full rate the first
    step would take most units out of their window, where no error reaches them any more.
    """
    if schedule == "constant":
        return start
    warm_up = min(1.0, _WARM_UPS * (step + 1) / num_steps)
    return start * warm_up * 0.5 * (1 + math.cos(math.pi * step / num_steps))
