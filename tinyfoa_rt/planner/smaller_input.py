"""What a smaller input would save: a plan that does not fit is told of ``--pool-input``."""

from __future__ import annotations

from collections.abc import Callable

from tinyfoa_rt.errors import TinyfoaError
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.planner.assemble import search_space
from tinyfoa_rt.planner.costs import BlockCosts
from tinyfoa_rt.planner.search import find_floor
from tinyfoa_rt.planner.task import resolve_options

__all__ = ["find_smaller_input"]

_SIZES = (2, 4)


def find_smaller_input(plan: Plan, pooled: Callable[[int], Graph]) -> tuple[int, int] | None:
    """Return the least reduction of the input with which all of a model can be trained in the budget, and its bytes of RAM.

    Args:
        plan: which does not fit.
        pooled: loads its model with means of so many positions in front.

    Returns:
        ``None`` where none would do, the model takes no smaller input, or some of its blocks stay as they are: these have
        learnt from inputs of the size that they have.
    """
    for size in _SIZES:
        try:
            task = resolve_options(pooled(size), plan.options, plan.profile)
            if len(task.contexts) < len(task.parts.blocks):
                return None
            floor = find_floor(search_space(BlockCosts(task)))
        except TinyfoaError:
            return None
        if floor <= plan.budget_bytes:
            return size, floor
    return None
