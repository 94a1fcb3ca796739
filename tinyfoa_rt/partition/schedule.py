"""Which slices are updated when.

``slice`` is the paper's Figure 1: one slice at a time. ``freeze-diagonal`` is what the authors' published code does: in each
epoch one diagonal slice is frozen and all others are updated; it is here for comparison and saves no memory. ``full``
updates every weight in every step: layer-wise training alone.
"""

from __future__ import annotations

from tinyfoa_rt.ir.block import Slices

__all__ = ["SCHEDULES", "rotations", "update_fraction"]

SCHEDULES = ("slice", "freeze-diagonal", "full")


def update_fraction(schedule: str, slices: Slices) -> float:
    """Return the share of a layer's weights that one step updates, with slices taken as equal."""
    if schedule == "slice":
        return slices.update_fraction
    return 1.0 if schedule == "full" or slices.count == 1 else 1 - slices.update_fraction


def rotations(steps_per_epoch: int, num_turns: int, rotate_every: int | None) -> int:
    """Return how often an epoch ends a slice's turn and so writes it back; at least once.

    ``rotate_every`` is in steps; ``None`` spreads the slices, ``num_turns``, evenly over an epoch, so that each is written once.
    """
    if rotate_every is None:
        return num_turns
    return max(1, -(-steps_per_epoch // rotate_every))
