"""What ``--method auto`` would take in place of a plan: found as it chooses (choosing.py), but planned no further."""

from __future__ import annotations

import heapq
from typing import NamedTuple

from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.planner.contestant import Contestant
from tinyfoa_rt.planner.ranking import Order, level_of

__all__ = ["Pick", "pick"]


class Pick(NamedTuple):
    """An approach that fits, the most slices that a block is cut into, and the points that it is expected to cost."""

    title: str
    num_slices: int
    points: float


def pick(model: Graph, asked: PlanOptions, order: Order, below: float) -> Pick | None:
    """Return the best way to train that fits, if it costs fewer points than ``below``: nothing else is looked at.

    Args:
        model: as it was loaded.
        asked: the options, which fix nothing that is chosen.
        order: of the model.
        below: points of accuracy.
    """
    ways = order.approaches({})
    running: dict[int, Contestant] = {}
    waiting = [(approach.points, place, 0) for place, approach in enumerate(ways) if approach.points < below]
    while waiting:
        _, place, level = heapq.heappop(waiting)
        if not level:
            try:
                running[place] = Contestant(model, ways[place], order.halving, asked)
                if not running[place].fits(running[place].finest_level):
                    continue
            except (UnsupportedError, UsageError):
                continue
        contestant = running[place]
        num_slices = contestant.slices_within(level, contestant.costs.task.budget_bytes) if contestant.fits(level) else None
        if num_slices is not None:
            return Pick(contestant.approach.title, num_slices, contestant.points(level_of(num_slices)))
        if level < contestant.finest_level and contestant.points(level + 1) < below:
            heapq.heappush(waiting, (contestant.points(level + 1), place, level + 1))
    return None
