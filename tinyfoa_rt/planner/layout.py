"""Place buffers in one arena.

1. Pinned buffers go to their offsets.
2. Those that are asked to lie low come next: another program will find them pinned, and plan around them.
3. The others follow, largest first, each into the lowest gap that is free during its lifetime.
4. If that arena is larger than the most bytes that are ever live, two more orders are tried, by size times duration and by
   birth, and the smallest arena is kept.

Not optimal: the problem is NP-hard. A test bounds the loss against brute force. The result does not depend on the names of the
buffers: those that are alike keep the order in which they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from tinyfoa_rt.ir.buffer import Buffer, Layout, Lifetime, Placement

__all__ = ["peak_live_nbytes", "plan_layout"]

# Below this many buffers a scan of all is faster than an index over time.
_FEW = 48


def plan_layout(buffers: Sequence[Buffer], *, low: Collection[str] = ()) -> Layout:
    """Return where each RAM buffer lies, in the order given, and the size of the arena.

    Args:
        buffers: all with different names.
        low: names of buffers that are placed before the others, at the lower end of the arena.
    """
    assert all(buffer.place == "ram" for buffer in buffers), "only RAM is laid out"
    least = peak_live_nbytes(buffers)
    best: dict[str, Placement] = {}
    arena = -1
    for order in _ORDERS:
        placed = _place_in_order(buffers, order, low)
        extent = max((p.end for p in placed), default=0)
        if arena < 0 or extent < arena:
            best, arena = {p.buffer.name: p for p in placed}, extent
        if arena <= least:
            break
    assert len(best) == len(buffers), "two buffers have the same name"
    return Layout(tuple(best[buffer.name] for buffer in buffers), arena)


def peak_live_nbytes(buffers: Iterable[Buffer]) -> int:
    """Return the most bytes that are live in any step: no arena can be smaller."""
    change: dict[int, int] = {}
    for buffer in buffers:
        change[buffer.lifetime.start] = change.get(buffer.lifetime.start, 0) + buffer.nbytes
        change[buffer.lifetime.end] = change.get(buffer.lifetime.end, 0) - buffer.nbytes
    live = most = 0
    for step in sorted(change):
        live += change[step]
        most = max(most, live)
    return most


_Key = Callable[[Buffer], tuple[int, int]]


def _largest_first(buffer: Buffer) -> tuple[int, int]:
    return -buffer.nbytes, buffer.lifetime.start


def _largest_area_first(buffer: Buffer) -> tuple[int, int]:
    return -buffer.nbytes * (buffer.lifetime.end - buffer.lifetime.start), buffer.lifetime.start


def _earliest_first(buffer: Buffer) -> tuple[int, int]:
    return buffer.lifetime.start, -buffer.nbytes


_ORDERS: tuple[_Key, ...] = (_largest_first, _largest_area_first, _earliest_first)


def _place_in_order(buffers: Sequence[Buffer], order: _Key, low: Collection[str]) -> list[Placement]:
    index: _Scan | _TimeTree = _Scan() if len(buffers) <= _FEW else _TimeTree(buffers)
    placed = []
    for buffer in sorted((b for b in buffers if b.offset is not None), key=order):
        assert buffer.offset is not None
        placed.append(Placement(buffer, buffer.offset))
        index.add(placed[-1])
    for buffer in sorted((b for b in buffers if b.offset is None), key=lambda b: (b.name not in low, *order(b))):
        placed.append(Placement(buffer, _lowest_gap(index.overlapping(buffer.lifetime), buffer) if buffer.nbytes else 0))
        index.add(placed[-1])
    return placed


def _lowest_gap(live: Iterable[Placement], buffer: Buffer) -> int:
    """The lowest aligned offset at which ``buffer`` overlaps none of the placements that live at the same time."""
    offset = 0
    for start, end in sorted((p.offset, p.offset + p.buffer.nbytes) for p in live):
        if start - offset >= buffer.nbytes:
            break
        if end > offset:
            offset = -(-end // buffer.alignment) * buffer.alignment
    return offset


class _Scan:
    """Placements in a list; every question looks at all of them."""

    def __init__(self) -> None:
        self._placed: list[Placement] = []

    def add(self, placement: Placement) -> None:
        if placement.buffer.nbytes:
            self._placed.append(placement)

    def overlapping(self, lifetime: Lifetime) -> list[Placement]:
        start, end = lifetime.start, lifetime.end
        return [p for p in self._placed if p.buffer.lifetime.start < end and start < p.buffer.lifetime.end]


class _TimeTree:
    """Placements in a segment tree over time, so that a question costs the logarithm of the steps and what it finds."""

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        times = sorted({time for b in buffers for time in (b.lifetime.start, b.lifetime.end)})
        self._rank = {time: rank for rank, time in enumerate(times)}
        self._size = 1 << max(1, len(times) - 1).bit_length()
        self._covering: dict[int, list[Placement]] = {}  # placements that live during all of a node's span
        self._inside: dict[int, list[Placement]] = {}  # placements that cover some node below

    def add(self, placement: Placement) -> None:
        if not placement.buffer.nbytes:
            return
        above: set[int] = set()
        for node in self._nodes(placement.buffer.lifetime):
            self._covering.setdefault(node, []).append(placement)
            above.update(_ancestors(node))
        for node in above:
            self._inside.setdefault(node, []).append(placement)

    def overlapping(self, lifetime: Lifetime) -> list[Placement]:
        found: dict[int, Placement] = {}
        seen = set()
        for node in self._nodes(lifetime):
            found.update((id(p), p) for p in self._inside.get(node, ()))
            for covering in (node, *_ancestors(node)):
                if covering not in seen:
                    seen.add(covering)
                    found.update((id(p), p) for p in self._covering.get(covering, ()))
        return list(found.values())

    def _nodes(self, lifetime: Lifetime) -> list[int]:
        """The fewest nodes whose spans make up a lifetime."""
        low, high = self._rank[lifetime.start] + self._size, self._rank[lifetime.end] + self._size
        nodes = []
        while low < high:
            if low & 1:
                nodes.append(low)
                low += 1
            if high & 1:
                high -= 1
                nodes.append(high)
            low >>= 1
            high >>= 1
        return nodes


def _ancestors(node: int) -> Iterable[int]:
    node >>= 1
    while node:
        yield node
        node >>= 1
