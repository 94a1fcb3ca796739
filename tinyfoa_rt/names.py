"""Names from model files, made fit to be shown: exporters write some that are hundreds of characters long."""

from __future__ import annotations

__all__ = ["elide", "visible"]


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
