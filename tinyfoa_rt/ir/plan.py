"""What planning yields. The field names are those of the JSON form (docs/plan-format.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tinyfoa_rt.ir.buffer import Place
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.profile import Profile

__all__ = ["PLAN_FORMAT", "Account", "BlockPlan", "Category", "Nonvolatile", "Plan", "PlannedBuffer"]

PLAN_FORMAT = "tinyfoa-plan/7"

Category = Literal["weight", "state", "activation", "gradient", "head", "scratch", "forward"]


@dataclass(frozen=True)
class PlannedBuffer:
    """One buffer of a block's training step.

    ``offset`` is in bytes from the start of the arena, or ``None`` where an allocator places the buffer and for nonvolatile
    ones. ``first_step`` and ``last_step`` are both inclusive and index the block's ``steps``.
    """

    name: str
    bytes: int
    place: Place
    offset: int | None
    first_step: int
    last_step: int
    category: Category


@dataclass(frozen=True)
class BlockPlan:
    """The plan of one block: its slices and what its training step needs, in bytes.

    ``segments`` are the parts of a block of several layers, counted from 0, before which its forward pass is cut: in front of the
    last cut activations are computed again instead of being kept. It is empty where all are kept.
    ``forward_bytes``, ``gradient_bytes`` and ``update_bytes`` are the most RAM that is live in any step of that phase;
    ``peak_bytes`` is the arena that holds them all. ``steps`` names the program, one entry a step.
    """

    name: str
    layers: tuple[str, ...]
    parameters: int
    slices: tuple[int, int]
    segments: tuple[int, ...]
    update_fraction: float
    forward_bytes: int
    gradient_bytes: int
    update_bytes: int
    peak_bytes: int
    written_bytes_per_epoch: int | None
    buffers: tuple[PlannedBuffer, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Account:
    """What one way of training needs, in bytes (columns a-d of the paper's Figure 1); see docs/accounts.md.

    ``is_planned`` says that ``peak_bytes`` is the peak of a plan; else it is added up by a formula, where a layer cannot be
    trained that way.
    """

    forward_bytes: int
    gradient_bytes: int
    update_bytes: int
    peak_bytes: int
    is_planned: bool = True


@dataclass(frozen=True)
class Nonvolatile:
    """What a plan takes of nonvolatile memory, in bytes: of a device that runs generated C, its flash.

    Attributes:
        storage_bytes: parameters and all that training keeps of them; in C the whole storage: slots, headers, spare pages.
        constants_bytes: what is only read: weights of frozen blocks, stored heads.
        first_state_bytes: the state that training begins with, as constant data; 0 where it is a file for the storage.
        code_bytes: kept free for code, by the profile.
    """

    storage_bytes: int = 0
    constants_bytes: int = 0
    first_state_bytes: int = 0
    code_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return self.storage_bytes + self.constants_bytes + self.first_state_bytes + self.code_bytes


@dataclass(frozen=True)
class Plan:
    """A training plan: the largest update fraction that fits the budget, or, if none does, the floor. A build needs nothing else.

    Where ``feasible`` is false the blocks are those of the smallest plan there is and ``peak_bytes`` equals
    ``floor_bytes``; ``reason`` is a sentence that says what was chosen and why, or what stands in the way.

    Attributes:
        model: its name.
        model_sha256: of its file and its external data; empty for a graph that was made in memory.
        shapes: of inputs, as they were given for sizes that the model leaves open.
        pool_input: means of so many positions along each axis of the input stand in front of the model; 1 for none.
        profile: what it is for, with the nonvolatile memory that was asked for.
        options: resolved; see :class:`tinyfoa_rt.ir.options.PlanOptions`.
        written_bytes_per_day: to nonvolatile memory by a day of training, in the mean over the blocks; ``None`` where nobody says
            how many samples that has.
        flash_years: how long a flash of 10,000 cycles lasts, if all of the storage is written alike; ``None`` where that is not
            known, or nothing is written.
    """

    model: str
    model_sha256: str
    shapes: Mapping[str, tuple[int, ...]]
    pool_input: int
    profile: Profile
    options: PlanOptions
    feasible: bool
    peak_bytes: int
    floor_bytes: int
    nonvolatile_parts: Nonvolatile
    written_bytes_per_epoch: int | None
    written_bytes_per_day: int | None
    flash_years: float | None
    baselines: Mapping[str, Account]
    blocks: tuple[BlockPlan, ...]
    reason: str

    @property
    def budget_bytes(self) -> int:
        """RAM that training may use."""
        assert isinstance(self.options.budget, int)
        return self.options.budget

    @property
    def batch(self) -> int:
        """Samples a step."""
        assert self.options.batch is not None
        return self.options.batch

    def shares_of(self, block: BlockPlan) -> tuple[str, ...]:
        """What the option ``train`` says of layers of a block that are trained in part: ``conv5[:1/4]`` or ``conv5[bias]``."""
        starts = tuple(f"{name}[{part}" for name in block.layers for part in (":", "bias]"))
        return tuple(entry for entry in self.options.train if entry.startswith(starts))

    @property
    def nonvolatile_bytes(self) -> int:
        """All that the plan takes of nonvolatile memory."""
        return self.nonvolatile_parts.total_bytes
