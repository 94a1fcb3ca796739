"""How long a flash lasts that training writes to, and turns by which it lasts as long as was asked for.

A slice that stays for more steps is written less often. Where more may be written than a slice in every step, a step moves
several.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.storage import FLASH_CYCLES
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.stored import header_of
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.units import parse_nbytes

__all__ = ["leaves_turns_open", "tasks_that_last", "written_in_epoch", "written_per_day", "years_of"]

_DAYS_A_YEAR = 365.25


def written_in_epoch(costs: BlockCosts, index: int, candidate: Candidate, samples: int, header_nbytes: int) -> int:
    """Nonvolatile bytes that an epoch of ``samples`` writes which trains a block; every turn that ends writes a header."""
    return costs.written(index, candidate, samples) + costs.turns(index, candidate, samples) * header_nbytes


def written_per_day(costs: BlockCosts, chosen: Sequence[Candidate]) -> int | None:
    """Bytes that a day of training writes, in the mean over the blocks; ``None`` where nobody says how many samples that has."""
    samples = costs.task.options.samples_per_day
    if samples is None:
        return None
    header_nbytes = header_of(costs.task, chosen)
    of_blocks = [written_in_epoch(costs, index, each, samples, header_nbytes) for index, each in enumerate(chosen)]
    return sum(of_blocks) // len(of_blocks)


def years_of(storage_nbytes: int, written_nbytes: int | None) -> float | None:
    """How long every byte of a storage has :data:`FLASH_CYCLES` writes, where a day writes so much, spread evenly over it."""
    return FLASH_CYCLES * storage_nbytes / written_nbytes / _DAYS_A_YEAR if written_nbytes else None


def leaves_turns_open(options: PlanOptions) -> bool:
    """Whether a plan is to choose how long slices stay, and how many a step moves."""
    return options.writes_per_day is not None and options.rotate_every is None


def tasks_that_last(task: PlanningTask, chosen: Sequence[Candidate]) -> Iterator[PlanningTask]:
    """Yield the task with turns that write at most ``writes_per_day``: first with several slices a step, if that is not too much.

    Args:
        task: leaves turns open.
        chosen: the sizes of each trained block with one slice a step.

    Raises:
        UsageError: a turn a day is too much already.
    """
    options = task.options
    most = parse_nbytes(options.writes_per_day or "", what="--writes-per-day")
    steps = -(-(options.samples_per_day or 1) // chosen[0].batch)

    def with_turns(rotate_every: int, slices_per_step: int) -> PlanningTask:
        return replace(task, options=replace(options, rotate_every=rotate_every, slices_per_step=slices_per_step))

    def written(rotate_every: int, slices_per_step: int) -> int:
        return written_per_day(BlockCosts(with_turns(rotate_every, slices_per_step)), chosen) or 0

    asked = options.slices_per_step
    largest = max(each.slices.count for each in chosen) if asked == 1 and not options.against_several_slices else asked
    moved = bisect_right(range(asked, largest + 1), most, key=lambda count: written(1, count)) + asked - 1
    if moved > 1:
        yield with_turns(1, moved)
    rotate_every = bisect_left(range(1, steps + 1), -most, key=lambda steps_a_turn: -written(steps_a_turn, 1)) + 1
    if asked > 1 or rotate_every > steps:
        least = written(1, asked) if asked > 1 else written(steps, 1)
        what = f"{asked} slices in each step write" if asked > 1 else "one turn a day writes"
        raise UsageError(f"--writes-per-day {options.writes_per_day}", f"is less than {what}: {least:,} bytes", "give more")
    yield with_turns(rotate_every, 1)
