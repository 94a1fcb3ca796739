"""Chooses how to train: of all approaches the one with the fewest points (ranking.py) that fits in RAM and in nonvolatile memory.

Approaches are tried in the order of points, each with ever more slices, until one fits: whatever would be tried later is worth
less. One that does not fit in its finest grids is not tried with others. What fits also fits a larger budget, so that more RAM
never makes the choice worse.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import AUTO, PlanOptions
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.planner.contestant import Contestant
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.ranking import AXES, chooses_latents, level_of, order_of, tails
from tinyfoa_rt.planner.task import resolve_options

__all__ = ["Choice", "Offer", "choose", "most_slices"]

# Points have at most two; sums of them may differ in the last bit.
_DIGITS = 6
_NEVER = 2**63  # bytes: more than there are


class Offer(NamedTuple):
    """A better way to train, which a larger budget pays for.

    ``options`` are those of the approach; ``num_slices`` is the most that a block is cut into; ``nbytes`` is the RAM it needs.
    """

    title: str
    options: Mapping[str, Any]
    num_slices: int
    nbytes: int


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        plan: of the approach; where none fits, one that does not.
        title: of the approach.
        points: that it is expected to cost, with its slices.
        next_better: of all ways with fewer points that which needs the least RAM; ``None`` where there is none.
    """

    plan: Plan
    title: str
    points: float
    next_better: Offer | None = None


def choose(model: Graph, asked: PlanOptions, given: Collection[str], finish: Callable[[BlockCosts], Plan]) -> Choice:
    """Return the best way to train ``model`` that fits.

    Args:
        model: as it was loaded.
        asked: the options; ``method`` is ``auto``, and ``train`` may be; or ``latent`` is, of a way that is given.
        given: the names of those that were given, which are kept.
        finish: plans what is chosen.

    Raises:
        UnsupportedError: the model cannot be trained in any way.
        UsageError: an option does not fit the model or the profile.
    """
    field = _Field(model, asked, given, finish)
    return field.best() or field.smallest()


class _Field:
    """All approaches of a model, by their places in the order."""

    def __init__(self, model: Graph, asked: PlanOptions, given: Collection[str], finish: Callable[[BlockCosts], Plan]) -> None:
        self._model, self._finish = model, finish
        self._asked = _first_try(asked)
        fixed = {name: getattr(asked, name) for name in given if getattr(asked, name) != AUTO}
        task = resolve_options(model, self._asked)
        axes, has_latents = AXES, chooses_latents(task.profile, asked, given)
        if asked.method != AUTO:  # the formats alone are chosen, of what is given or the default
            axes, has_latents, fixed = (), True, {"binarize": asked.binarize, **fixed}
        if asked.train == AUTO:
            axes, fixed = (tails(len(task.parts.blocks)), *axes), {"block_layers": "all", **fixed}
        self._order = order_of(task, axes=axes, has_latents=has_latents)
        self._approaches = self._order.approaches(fixed)
        self._running: dict[int, Contestant] = {}
        self._unstorable: list[Choice] = []
        self._refusals: list[UnsupportedError | UsageError] = []

    def best(self) -> Choice | None:
        """The approach with the fewest points that fits; of several the first."""
        waiting = [(approach.points, place, 0) for place, approach in enumerate(self._approaches)]
        plans: dict[int, Plan] = {}
        while waiting:
            points, place, level = heapq.heappop(waiting)
            if place in plans:
                return self._choice(place, plans[place], self._next_better(points))
            if not level and not self._enters(place):
                continue
            contestant = self._running[place]
            if contestant.fits(level):
                plan = self._planned(place)
                if plan is None:
                    continue
                if not plan.feasible:  # there is RAM for it, and too little nonvolatile memory
                    self._unstorable.append(self._choice(place, plan))
                    del self._running[place]
                    continue
                plans[place] = plan
                level = max(level, level_of(most_slices(plan)))  # nonvolatile memory may have asked for more slices
            else:
                level += 1
            if level <= contestant.finest_level:
                heapq.heappush(waiting, (contestant.points(level), place, level))
        return None

    def smallest(self) -> Choice:
        """Where none fits: what needs least nonvolatile memory, if RAM is not what lacks; else what needs least RAM."""
        if self._unstorable:
            return min(self._unstorable, key=lambda choice: choice.plan.nonvolatile_bytes)
        levels = {place: each.finest_level for place, each in self._running.items()}
        while (found := self._least(levels)) is not None:
            del levels[found[0]]
            plan = self._planned(found[0])
            if plan is not None:
                return self._choice(found[0], plan)
        raise self._refusals[-1]

    def _enters(self, place: int) -> bool:
        """Whether an approach can train the model, and fits if it is cut as finely as can be."""
        try:
            contestant = Contestant(self._model, self._approaches[place], self._order.halving, self._asked)
            fits = contestant.fits(contestant.finest_level)
        except (UnsupportedError, UsageError) as refusal:
            self._refusals.append(refusal)
            return False
        self._running[place] = contestant
        return fits

    def _planned(self, place: int) -> Plan | None:
        """The plan of an approach; ``None`` where building would refuse it."""
        try:
            return self._finish(self._running[place].costs)
        except (UnsupportedError, UsageError) as refusal:
            self._refusals.append(refusal)
            del self._running[place]
            return None

    def _choice(self, place: int, plan: Plan, next_better: Offer | None = None) -> Choice:
        contestant = self._running[place]
        return Choice(plan, contestant.approach.title, contestant.points(level_of(most_slices(plan))), next_better)

    def _next_better(self, points: float) -> Offer | None:
        """Of all that have fewer points that which needs the least RAM."""
        behind = {place: points - each.approach.points for place, each in self._running.items()}
        halvings = {place: round(left / self._order.halving, _DIGITS) for place, left in behind.items()}
        levels = {place: math.ceil(count) - 1 for place, count in halvings.items() if count > 0}
        while (found := self._least(levels)) is not None:
            place, nbytes = found
            contestant, level = self._running[place], levels.pop(place)
            num_slices = contestant.slices_within(level, nbytes)
            if num_slices is not None:
                return Offer(contestant.approach.title, contestant.approach.options, num_slices, nbytes)
        return None

    def _least(self, levels: Mapping[int, int]) -> tuple[int, int] | None:
        """The place of the approach that needs the least RAM, each at its level, and how many bytes that is."""
        least, nearest = _NEVER, None
        for place in sorted(levels, key=lambda place: self._running[place].bound(levels[place])):
            need = self._running[place].need(levels[place], least)
            if need < least:
                least, nearest = need, place
        return None if nearest is None else (nearest, least)


def _first_try(asked: PlanOptions) -> PlanOptions:
    """The options with what is chosen first in place of each ``auto``."""
    first = PlanOptions()
    chosen = {name: getattr(first, name) for name in ("method", "train", "latent") if getattr(asked, name) == AUTO}
    return replace(asked, **chosen)


def most_slices(plan: Plan) -> int:
    """Return into how many slices the finest block of a plan is cut."""
    return max(m_in * m_out for m_in, m_out in (block.slices for block in plan.blocks))
