"""Which execution provider takes which nodes of the training steps, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tinyfoa_rt.planner.placement import ITSELF, Placement
from tinyfoa_rt.providers import REWRITES
from tinyfoa_rt.terminal import print_parts

__all__ = ["print_placement"]


def print_placement(placements: Sequence[Placement], console: Console | None = None) -> None:
    """Print a table, and below it what would move more nodes."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("provider", "nodes", "parts", "asked", "stays on the CPU"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("nodes", "parts") else "left")
    for each in placements:
        asked = "itself" if each.source == ITSELF else "its table"
        table.add_row(*map(Text, (each.provider, f"{each.taken} of {each.nodes}", str(each.parts), asked, _first(each.left))))
    parts: list[RenderableType] = [table]
    for each in placements:
        others = (f"{count}x{name} as {'+'.join(REWRITES[name])}" for name, count in each.rewrites.items())
        if each.rewrites:
            parts.append(Text(f"{each.provider} would take, in other words: {', '.join(others)}"))
    print_parts(tuple(parts), console)


def _first(left: Mapping[str, int], most: int = 3) -> str:
    """The operators with the most nodes."""
    counted = [name if count == 1 else f"{count}x{name}" for name, count in left.items()]
    return " ".join(counted[:most]) + (f" and {len(counted) - most} more" if len(counted) > most else "")
