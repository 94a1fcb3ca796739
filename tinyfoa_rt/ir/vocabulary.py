"""A vocabulary: rows by name, which the package begins and other packages extend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from tinyfoa_rt.errors import UsageError

__all__ = ["Named", "Vocabulary"]


class Named(Protocol):
    """What a row must have."""

    @property
    def name(self) -> str: ...


Row = TypeVar("Row", bound=Named)


class Vocabulary(dict[str, Row]):
    """Rows by name, in the order in which options list them.

    Args:
        kind: what messages call a row, such as ``optimizer``.
        rows: those of the package.
    """

    def __init__(self, kind: str, rows: Iterable[Row]) -> None:
        super().__init__((row.name, row) for row in rows)
        self._kind = kind

    def register(self, row: Row) -> None:
        """Add a row, for the rest of the process.

        Raises:
            UsageError: there is one of its name.
        """
        if row.name in self:
            raise UsageError(f"{self._kind} {row.name}", "is there already", "give it another name")
        self[row.name] = row

    @contextmanager
    def registered(self, row: Row) -> Iterator[None]:
        """Add a row for as long as the context lasts; see :meth:`register`."""
        self.register(row)
        try:
            yield
        finally:
            del self[row.name]

    def find(self, name: str) -> Row:
        """Return the row of a name.

        Raises:
            UsageError: there is none.
        """
        if name not in self:
            raise UsageError(f"{self._kind} {name}", "is not known", f"use {', '.join(self)}")
        return self[name]
