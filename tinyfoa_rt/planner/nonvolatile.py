"""What a planned model takes of nonvolatile memory: for generated C what the export holds, to the byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from tinyfoa_rt.export.c99 import constants_nbytes
from tinyfoa_rt.ir.plan import Nonvolatile
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.planner.c99_source import model_source
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.search import Candidate
from tinyfoa_rt.planner.storage_layout import first_state_nbytes, lay_out
from tinyfoa_rt.planner.stored import stored_model, stored_of
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps.storage import constant_nbytes

__all__ = ["Flash", "with_first_state"]


class Flash:
    """The nonvolatile memory that a task takes, for any candidates of its blocks."""

    def __init__(self, costs: BlockCosts) -> None:
        self._costs = costs
        self._task = costs.task
        self._constants_nbytes: int | None = None

    def need(self, candidates: Sequence[Candidate]) -> Nonvolatile:
        """Return what the blocks take in these sizes.

        Raises:
            UnsupportedError: the profile runs generated C, and an operator has no kernel there.
        """
        profile, costs = self._task.profile, self._costs
        if profile.nonvolatile_bytes == 0:
            return Nonvolatile()
        if profile.runtime != "c99":
            return Nonvolatile(sum(costs.kept_of_blocks), costs.frozen_nbytes, code_bytes=profile.code_bytes)
        if self._constants_nbytes is None:
            source = model_source(self._costs, candidates, {}, {}, self._task.score)
            self._constants_nbytes = constants_nbytes(source)
        stored = stored_model(self._task, candidates)
        layout = lay_out(stored, profile.page_bytes)
        known = Nonvolatile(layout.flash_nbytes, self._constants_nbytes, code_bytes=profile.code_bytes)
        return with_first_state(known, first_state_nbytes(stored, layout), profile)

    def fits(self, candidates: Sequence[Candidate]) -> bool:
        """Whether the profile has as much."""
        available = self._task.profile.nonvolatile_bytes
        return not available or self.need(candidates).total_bytes <= available

    def most_last_blocks(self, available_nbytes: int) -> int:
        """The largest K for which ``--train last:K`` takes at most ``available_nbytes``; 0 where there is none."""
        blocks, contexts = self._task.parts.blocks, self._task.contexts
        first = len(blocks) - len(contexts)
        if any(context.block is not block for context, block in zip(contexts, blocks[first:])):
            return 0  # the choice of blocks has gaps; what to leave out is the user's to say
        frozen = self._costs.frozen_nbytes
        for index, context in enumerate(contexts[:-1], 1):
            frozen += constant_nbytes(self._task.graph, context.block.nodes, self._task.profile)
            if frozen + self._least_of_last(index) <= available_nbytes:
                return len(contexts) - index
        return 0

    @property
    def least(self) -> Nonvolatile:
        """What the task takes at least, in whatever RAM."""
        return self.need(_least(self._task))

    def _least_of_last(self, index: int) -> int:
        """What the trained blocks from ``index`` on take at least, beside constants."""
        task, profile = self._task, self._task.profile
        if profile.runtime != "c99":
            return sum(self._costs.kept_of_blocks[index:]) + profile.code_bytes
        fewer = replace(task, contexts=task.contexts[index:])
        return lay_out(stored_model(fewer, _least(fewer)), profile.page_bytes).flash_nbytes + profile.code_bytes


def _least(task: PlanningTask) -> list[Candidate]:
    """The sizes in which each block stores least."""
    found = []
    for index, context in enumerate(task.contexts):
        candidates = [Candidate(grid, task.batches[0]) for grid in task.grids(context.block)]
        found.append(min(candidates, key=partial(stored_of, task, index)))
    return found


def with_first_state(known: Nonvolatile, nbytes: int, profile: Profile) -> Nonvolatile:
    """Return the sum with the first state as constant data, where there is room for it; else it is a file for the storage.

    Args:
        known: what else there is.
        nbytes: of the first state.
        profile: has the room.
    """
    whole = replace(known, first_state_bytes=nbytes)
    available = profile.nonvolatile_bytes
    return whole if available is None or whole.total_bytes <= available else known
