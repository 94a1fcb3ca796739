"""Find the largest update fraction that fits the budget, then the largest batch, then the fewest bytes written.

The blocks are trained one after another, so that each has the whole budget and is searched alone; only the batch is common
to all. The search is exhaustive over the candidates in the order of preference: a larger budget only adds candidates that fit,
so it never gives a smaller update fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinyfoa_rt.ir.block import Slices

__all__ = [
    "Candidate", "SearchSpace", "find_choice", "find_fitting", "find_floor", "find_smallest", "grid_candidates", "smallest_of",
]  # fmt: skip

_MOST_SLICES = 256
_MOST_UNEVEN = 4
_NEVER = 2**63  # bytes: more than there are


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sizes that are tried for one block, and the parts of it before which its forward pass is cut (planner/segments.py).

    ``moving`` tells the steps of a block apart whose layers take turns: the layer, counted from 0, that moves.
    """

    slices: Slices
    batch: int
    segments: tuple[int, ...] = ()
    moving: int | None = None


@dataclass(frozen=True)
class SearchSpace:
    """What may be chosen.

    Attributes:
        slices: the grids of each block, in order of preference.
        batches: ascending.
        peak: RAM in bytes of a block (by position) under a candidate.
        least: a lower bound of the peak that takes little time: what is held throughout, and what passes need.
        written: nonvolatile bytes written an epoch by a block under a candidate.
        stored: nonvolatile bytes of a block under a candidate, where they depend on that: free slots shrink with the slices.
        segments: the cuts of the forward pass of each block, the fewest repeated operations first and the least memory last.
            Where neither the first nor the last fits, none does.
    """

    slices: Sequence[Sequence[Slices]]
    batches: Sequence[int]
    peak: Callable[[int, Candidate], int]
    least: Callable[[int, Candidate], int]
    written: Callable[[int, Candidate], int]
    stored: Callable[[int, Candidate], int] = lambda index, candidate: 0
    segments: Sequence[Sequence[tuple[int, ...]]] = ()

    def fits(self, block: int, candidate: Candidate, budget: int) -> bool:
        """Whether a block can be trained within ``budget`` bytes."""
        return self.least(block, candidate) <= budget and self.peak(block, candidate) <= budget

    def fitting(self, block: int, slices: Slices, batch: int, budget: int) -> Candidate | None:
        """The candidate of these sizes that fits ``budget`` bytes and repeats the fewest operations, if there is one."""
        first, *others = (Candidate(slices, batch, cuts) for cuts in self.cuts(block))
        if self.fits(block, first, budget):
            return first
        if not others or not self.fits(block, others[-1], budget):
            return None
        return next(each for each in others if self.fits(block, each, budget))

    def extremes(self, block: int, grids: Sequence[Slices] | None = None) -> list[Candidate]:
        """The candidates of all or some grids at the smallest batch that repeat least and most: if any fits, one of them does."""
        cuts = dict.fromkeys((self.cuts(block)[0], self.cuts(block)[-1]))
        return [Candidate(each, self.batches[0], cut) for each in grids or self.slices[block] for cut in cuts]

    def cuts(self, block: int) -> Sequence[tuple[int, ...]]:
        return self.segments[block] if self.segments else ((),)


def grid_candidates(largest_in: int, largest_out: int) -> tuple[Slices, ...]:
    """Return the grids a block may be cut into, coarse first, balanced first.

    Sides are powers of two, at most 256 slices in all. One side is at most four times the other, unless the layer has no more
    to cut on that side (a depthwise convolution has one input a group).
    """
    powers = [2**k for k in range(_MOST_SLICES.bit_length())]
    ins = [m for m in powers if m <= largest_in]
    outs = [m for m in powers if m <= largest_out]
    grids = [
        Slices(m_in, m_out)
        for m_in in ins
        for m_out in outs
        if m_in * m_out <= _MOST_SLICES
        and (m_out <= _MOST_UNEVEN * m_in or m_in == ins[-1])
        and (m_in <= _MOST_UNEVEN * m_out or m_out == outs[-1])
    ]
    return tuple(sorted(grids, key=_preference))


def find_floor(space: SearchSpace) -> int:
    """Return the least RAM in bytes with which all blocks can be trained."""
    blocks = range(len(space.slices))
    floor = 0
    for block in sorted(blocks, key=lambda block: -min(space.least(block, each) for each in space.extremes(block))):
        floor = max(floor, smallest_of(space, block, space.extremes(block), enough=floor)[0])
    return floor


def find_smallest(space: SearchSpace) -> tuple[Candidate, ...]:
    """Return the candidate of each block that needs least."""
    return tuple(smallest_of(space, block, space.extremes(block))[1] for block in range(len(space.slices)))


def smallest_of(space: SearchSpace, block: int, candidates: Sequence[Candidate], *, enough: int = -1) -> tuple[int, Candidate]:
    """Return the least peak of a block under some candidates, and which of them reaches it first.

    Args:
        space: has the bytes.
        block: by its position.
        candidates: at least one.
        enough: bytes; no less is searched for.
    """
    bounds = [space.least(block, candidate) for candidate in candidates]
    best: tuple[int, int] | None = None
    for place in sorted(range(len(candidates)), key=bounds.__getitem__):
        if best is not None and (bounds[place] > best[0] or best[0] <= enough):
            break
        here = space.peak(block, candidates[place]), place
        best = here if best is None else min(best, here)
    assert best is not None, "a block has at least one grid"
    return best[0], candidates[best[1]]


def find_choice(space: SearchSpace, budget: int) -> tuple[Candidate, ...]:
    """Return the best candidate of each block within ``budget``; the caller knows that the floor fits."""
    return _with_largest_batch(space, budget, _counts(space, budget))


def find_fitting(space: SearchSpace, budget: int, fits: Callable[[Sequence[Candidate]], bool]) -> tuple[Candidate, ...] | None:
    """Return the best candidates that fit in nonvolatile memory too.

    Where all together do not fit in nonvolatile memory, the block that saves most by it is cut into smaller slices, again and
    again. This order does not depend on how much there is, so that more of it never gives a smaller update fraction.

    Args:
        space: what may be chosen.
        budget: RAM in bytes.
        fits: whether candidates fit in nonvolatile memory.

    Returns:
        The candidates; ``None`` where none that fit in RAM do so there.
    """
    counts = _counts(space, budget)
    chosen = _with_largest_batch(space, budget, counts)
    while not fits(chosen):
        finer = _finer(space, budget, counts)
        if finer is None:
            return None
        counts[finer[0]] = finer[1]
        chosen = _with_largest_batch(space, budget, counts)
    return chosen


def _counts(space: SearchSpace, budget: int) -> list[int]:
    """The least number of slices of each block that fits at the smallest batch."""
    batch = space.batches[0]
    return [next(g.count for g in grids if space.fitting(block, g, batch, budget)) for block, grids in enumerate(space.slices)]


def _finer(space: SearchSpace, budget: int, counts: Sequence[int]) -> tuple[int, int] | None:
    """The block that saves most, and the next number of slices that does so."""

    def stored(block: int, count: int) -> int:
        """At the smallest batch, in RAM."""
        tried = [space.fitting(block, g, space.batches[0], budget) for g in space.slices[block] if g.count == count]
        return min((space.stored(block, each) for each in tried if each), default=_NEVER)

    found: list[tuple[int, int, int]] = []
    for block, count in enumerate(counts):
        now = stored(block, count)
        for more in sorted({g.count for g in space.slices[block] if g.count > count}):
            if stored(block, more) < now:
                found.append((stored(block, more) - now, block, more))
                break
    return min(found)[1:] if found else None


def _with_largest_batch(space: SearchSpace, budget: int, counts: Sequence[int]) -> tuple[Candidate, ...]:
    """The largest batch that keeps these numbers of slices within the budget."""
    for batch in reversed(space.batches[1:]):
        chosen = _at_batch(space, budget, counts, batch)
        if chosen is not None:
            return chosen
    smallest_batch = _at_batch(space, budget, counts, space.batches[0])
    assert smallest_batch is not None, "each block was found to fit at this batch"
    return smallest_batch


def _preference(slices: Slices) -> tuple[int, float, int]:
    return slices.count, max(slices.m_in, slices.m_out) / min(slices.m_in, slices.m_out), slices.m_in


def _at_batch(space: SearchSpace, budget: int, counts: Sequence[int], batch: int) -> tuple[Candidate, ...] | None:
    """Every block with its number of slices at one batch, each in the grid that writes least; ``None`` if one does not fit."""
    chosen = []
    for block, grids in enumerate(space.slices):
        tried = [space.fitting(block, g, batch, budget) for g in grids if g.count == counts[block]]
        fitting = [each for each in tried if each]
        if not fitting:
            return None
        chosen.append(min(fitting, key=lambda candidate: space.written(block, candidate)))
    return tuple(chosen)
