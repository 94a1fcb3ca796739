"""Buffers and where they lie: all that memory planning knows. No graph, no operator, no tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Buffer", "Layout", "Lifetime", "Place", "Placement"]

Place = Literal["ram", "nonvolatile"]


@dataclass(frozen=True, slots=True, order=True)
class Lifetime:
    """The steps ``[start, end)`` during which a buffer holds something; never empty."""

    start: int
    end: int

    def overlaps(self, other: Lifetime) -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Buffer:
    """A piece of memory with a name, a size in bytes and a lifetime.

    ``offset`` pins a buffer that another program has already placed (a block's input); ``None`` leaves it to the layout.
    """

    name: str
    nbytes: int
    lifetime: Lifetime
    alignment: int = 4
    place: Place = "ram"
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """A buffer at its offset: it holds the bytes ``[offset, offset + nbytes)`` of the arena during its lifetime."""

    buffer: Buffer
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.buffer.nbytes


@dataclass(frozen=True, slots=True)
class Layout:
    """Placed RAM buffers, and the size of the arena that holds them all."""

    placements: tuple[Placement, ...]
    arena_nbytes: int
