"""Prints for people: at most 100 columns, plain text where the output is no terminal, in any encoding."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType

__all__ = ["print_parts"]

_WIDTH = 100


def print_parts(parts: Iterable[RenderableType], console: Console | None = None) -> None:
    """Print ``parts`` one below the other."""
    console = console or Console(highlight=False)
    if not console.is_terminal or console.width > _WIDTH:
        console = Console(file=console.file, width=_WIDTH, highlight=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    lines = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    # A name may hold characters that the output's encoding does not have.
    console.file.write(lines.encode(console.encoding, "replace").decode(console.encoding))
