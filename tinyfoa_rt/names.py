"""Names from model files, made fit to be shown: exporters write some that are hundreds of characters long."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["elide", "elide_all", "visible"]


def visible(name: str) -> str:
    """Return ``name`` with everything that does not print replaced."""
    return "".join(c if c.isprintable() else "?" for c in name)


def elide(name: str, width: int = 48) -> str:
    """Return ``name`` in at most ``width`` characters, the middle left out."""
    shown = visible(name)
    if len(shown) <= width:
        return shown
    tail = (width - 1) * 2 // 3  # exporters put what tells names apart at their end
    return f"{shown[: width - 1 - tail]}…{shown[len(shown) - tail :]}"


def elide_all(names: Sequence[str], width: int) -> list[str]:
    """Return ``names`` in at most ``width`` characters each, all with their number, from 1, where two would look alike."""
    shown = [elide(name, width) for name in names]
    if len(set(shown)) == len(set(names)):
        return shown
    numbers = [f"{position}: " for position in range(1, len(names) + 1)]
    return [number + elide(name, width - len(number)) for number, name in zip(numbers, names)]
