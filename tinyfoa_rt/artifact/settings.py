"""How long and how fast to train: what a user may set, and the rate that follows where nothing is set (docs/training.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.optimizers import optimizer_of

__all__ = ["TrainSettings", "rate_at", "rate_of_block"]

# Base rates are of standardized inputs, batch 100, per sqrt(units) of the block's output; see docs/training.md.
_REFERENCE_BATCH = 100
_REFERENCE_INPUTS = 784
_STEPS_A_TURN = 1
# The rate rises over the first tenth of a block's steps.
_WARM_UPS = 10
# Inputs that are far smaller would ask for steps beyond the range of latent weights, which is -1 to 1.
_LEAST_INPUT_POWER = 0.25
# The shares of very many units add up to more than the error: the loss of a layer of 10,000 and more would grow.
_MOST_UNITS = 2000
# Kernels of few inputs would ask for more; beyond it all of their weights change sign from step to step.
_MOST_OF_KERNELS = 4
# A classifier reads more of what convolutions hand on than they have learnt from their own heads: it has further to go.
_LEAST_BOOST_BEHIND_KERNELS = 2.0
# Half of what would bring an output to its target in one step of a whole layer.
_SQUARED_OUTPUTS = 40


@dataclass(frozen=True)
class TrainSettings:
    """What ``fit`` is told.

    Attributes:
        epochs: passes over the data for each block.
        rate: factor on the rate that follows from optimizer, batch, slices and inputs.
        rate_schedule: ``cosine`` (up in the first tenth of a block's steps, then down to zero) or ``constant``.
        rotate_every: steps that a slice stays; ``None`` for the recipe's own.
        seed: of the order of samples.
        blocks: names of the blocks that are trained, ``None`` for all; the others stay as they are.

    Raises:
        UsageError: a value is out of range.
    """

    epochs: int = 10
    rate: float = 1.0
    rate_schedule: str = "cosine"
    rotate_every: int | None = None
    seed: int = 0
    blocks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 1_000_000:
            raise UsageError(f"--epochs {self.epochs}", "is not between 1 and 1,000,000", "give a whole number such as 10")
        if not 0 < self.rate < math.inf:
            raise UsageError(f"--rate {self.rate}", "is not above 0", "it multiplies the recipe's rate: begin with 1")
        if self.rate_schedule not in ("cosine", "constant"):
            raise UsageError(f"--rate-schedule {self.rate_schedule}", "is not known", "use cosine or constant")
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


@dataclass(frozen=True)
class BlockSize:
    """What the rate of a block depends on.

    These are: units of its error (0: a classifier), positions that a unit is the mean of, inputs of an output, slices, positions
    at which a weight is used, mean x^2, of a model's own output with a squared error how many numbers it has (else 0), and
    whether it is a classifier behind convolutions that learn from scratch.
    """

    units: int
    unit_positions: int
    fan_in: int
    num_slices: int
    weight_positions: int
    input_power: float
    squared_outputs: int = 0
    is_behind_kernels: bool = False


def rate_of_block(optimizer: str, batch: int, size: BlockSize) -> float:
    """Return the rate at which a block starts.

    A gradient grows with the error that the head returns, g = sqrt(2 / units), of which a position behind a mean gets its share,
    and with its input's power; its noise falls with the batch, and a slice has fewer steps to move in. A weight that is used at
    many positions adds up the errors of all: of one sign behind a mean, else each position, or cell of a grid, has rows of the
    head of its own.
    Where steps do not follow the gradient's size, neither does the rate.
    """
    row = optimizer_of(optimizer)
    base = row.base_rate
    # Slices get longer steps, since each has fewer; a whole layer would run away: all of its weights move at once.
    boost = min(0.5 * size.num_slices, 0.75 * math.sqrt(size.num_slices))
    if size.is_behind_kernels:
        boost = max(boost, _LEAST_BOOST_BEHIND_KERNELS)
    if not row.follows_gradient:
        return base * math.sqrt(batch / _REFERENCE_BATCH * 2000 * boost)
    input_energy = size.fan_in * max(size.input_power, _LEAST_INPUT_POWER)
    # sqrt(2) / gain: the head's gain is sqrt(2 / units), and that of the model's own classifier is 1.
    units = size.units or 2
    if not size.units and size.squared_outputs:
        spread = size.squared_outputs / _SQUARED_OUTPUTS  # each output's error is a share of the mean of all
    else:
        uses = min(size.unit_positions, size.weight_positions)  # of a weight within what a unit of the head is the mean of
        spread = size.unit_positions / uses * math.sqrt(min(units * uses / size.weight_positions, _MOST_UNITS))
    rate = base * spread * batch / _REFERENCE_BATCH * _REFERENCE_INPUTS / input_energy
    return boost * (min(rate, _MOST_OF_KERNELS) if size.weight_positions > 1 else rate)


def rate_at(start: float, schedule: str, step: int, num_steps: int) -> float:
    """The rate of step ``step`` of ``num_steps``: constant, or up over the first tenth and down to zero on half a cosine wave.

    At first the errors of a batch have much in common, more so where one class has most samples. At the full rate the first
    step would take most units out of their window, where no error reaches them any more.
    """
    if schedule == "constant":
        return start
    warm_up = min(1.0, _WARM_UPS * (step + 1) / num_steps)
    return start * warm_up * 0.5 * (1 + math.cos(math.pi * step / num_steps))
