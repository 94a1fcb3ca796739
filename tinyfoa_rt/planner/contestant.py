"""One way to train a model that planning may choose: whether it fits in a budget, and which budget it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.planner.assemble import search_space
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.nonvolatile import Flash
from tinyfoa_rt.planner.ranking import Approach, level_of
from tinyfoa_rt.planner.refusal import check_plan
from tinyfoa_rt.planner.search import Candidate, find_fitting, smallest_of
from tinyfoa_rt.planner.task import resolve_options

__all__ = ["Contestant"]


class Contestant:
    """An approach of one model. A block's *level* says how often it may be halved: it is cut into at most 2^level slices.

    Args:
        model: as it was loaded.
        approach: the way to train it.
        halving: points of each level.
        asked: the options, of which the approach's take the place.

    Raises:
        UnsupportedError: the approach cannot train the model.
        UsageError: an option does not fit the model or the profile.
    """

    def __init__(self, model: Graph, approach: Approach, halving: float, asked: PlanOptions) -> None:
        self.approach = approach
        self._halving = halving
        self.costs = BlockCosts(resolve_options(model, replace(asked, **approach.options)))
        self._model = model
        self._space = search_space(self.costs)
        self._budget = self.costs.task.budget_bytes
        self._blocks = list(range(len(self._space.slices)))
        self.finest_level = max(level_of(grid.count) for grids in self._space.slices for grid in grids)

    def points(self, level: int) -> float:
        """Points of accuracy that the approach is expected to cost."""
        return self.approach.points + self._halving * level

    def fits(self, level: int) -> bool:
        """Whether every block can be trained within the budget, at the smallest batch, in one of its finest grids of a level."""
        for place, block in enumerate(self._blocks):
            if not any(self._space.fits(block, each, self._budget) for each in self._finest(block, level)):
                self._blocks.insert(0, self._blocks.pop(place))  # the next level fails there too, most likely
                return False
        return True

    def bound(self, level: int) -> int:
        """RAM in bytes that :meth:`need` does not go below: counted at once."""
        return max(self._least(block, level) for block in self._blocks)

    def need(self, level: int, most: int) -> int:
        """Return the RAM in bytes with which it :meth:`fits`, at ``level`` and at all; ``most`` where that is as much or more."""
        found = 0
        for block in sorted(self._blocks, key=lambda block: -self._least(block, level)):
            for candidates in (self._finest(block, level), self._finest(block, self.finest_level)):
                if max(found, self._least(block, level)) >= most:
                    return most
                found = max(found, smallest_of(self._space, block, candidates, enough=found)[0])
        return min(found, most)

    def _least(self, block: int, level: int) -> int:
        return min(self._space.least(block, each) for each in self._finest(block, level))

    def slices_within(self, level: int, nbytes: int) -> int | None:
        """Return the most slices of a block, where ``nbytes`` of RAM are there and the level is not exceeded.

        ``None`` where nonvolatile memory asks for a higher level or is too small, or where building would refuse the plan.
        """
        space = replace(self._space, batches=self._space.batches[:1])
        chosen = find_fitting(space, nbytes, Flash(self.costs).fits)
        if chosen is None or max(level_of(each.slices.count) for each in chosen) > level:
            return None
        try:
            check_plan(self._model, self.costs, chosen)
        except UnsupportedError:
            return None
        return max(each.slices.count for each in chosen)

    def _finest(self, block: int, level: int) -> Sequence[Candidate]:
        grids = self._space.slices[block]
        allowed = [grid.count for grid in grids if level_of(grid.count) <= level] or [min(grid.count for grid in grids)]
        return self._space.extremes(block, [grid for grid in grids if grid.count == max(allowed)])
