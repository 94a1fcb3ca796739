"""The sentences that say what ``--method auto`` has chosen, what a larger budget would pay for, and what it would choose."""

from __future__ import annotations

from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.planner.choosing import Choice, Offer, most_slices
from tinyfoa_rt.planner.picking import Pick

__all__ = ["explain_choice", "suggest"]


def explain_choice(choice: Choice) -> str:
    """Return what was chosen and, where there is one, the next better way to train."""
    way = f"{choice.title}, {_cut(most_slices(choice.plan))}"
    if not choice.plan.feasible:
        return f"No way to train fits; the least is to train {way}."
    return f"Chosen: to train {way}. {_next(choice.next_better)}"


def suggest(plan: Plan, points: float, better: Pick | None) -> str:
    """Return a line on what ``--method auto`` would do in place of ``plan``.

    Args:
        plan: one for which no way to train was named.
        points: that it is expected to cost.
        better: the best way of those that fit and are expected to learn better.
    """
    if not plan.feasible:
        return "--method auto looks for a way to train that fits in this budget (docs/choosing.md)."
    if better is None:
        return "--method auto has nothing that fits and is expected to learn better (docs/choosing.md)."
    gain = points - better.points
    way = f"{better.title}, {_cut(better.num_slices)}"
    return f"--method auto would train {way}: about {gain:.2g} points of accuracy more are expected (docs/choosing.md)."


def _next(offer: Offer | None) -> str:
    if offer is None:
        return "Nothing is expected to learn better (docs/choosing.md)."
    return f"The next better way, {offer.title}, {_cut(offer.num_slices)}, needs {offer.nbytes:,} bytes."


def _cut(num_slices: int) -> str:
    return "whole layers in every step" if num_slices == 1 else f"layers in up to {num_slices} slices"
