"""The table that sets a plan beside other ways to train the same model; docs/accounts.md says what each figure counts."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tinyfoa_rt.ir.plan import Account
from tinyfoa_rt.units import format_nbytes

__all__ = ["comparison_table", "ratio"]

_WAYS = {
    "bp_float": "backpropagation\nfloat",
    "bp_binary": "backpropagation\nbinarized",
    "layerwise": "layer-wise\n",
    "layerwise_sliced": "layer-wise\nwith slices",
}
_ROWS = {
    "forward (weights)": "forward_bytes",
    "gradient (weights)": "gradient_bytes",
    "update (weights)": "update_bytes",
    "peak (everything)": "peak_bytes",
}


def comparison_table(baselines: Mapping[str, Account]) -> list[RenderableType]:
    """Return a line that says what is compared, and the table: one column a way, with the ratio to ``bp_float``."""
    ways = [way for way in _WAYS if way in baselines]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("bytes of")
    for way in ways:
        table.add_column(_WAYS[way], justify="right")
    for label, field in _ROWS.items():
        table.add_row(label, *(_cell(baselines, way, field) for way in ways))
    title = Text("Ways to train the model; (weights): weights only, without the output layer (docs/accounts.md)", overflow="fold")
    added = [" ".join(_WAYS[way].split("\n")) for way in ways if not baselines[way].is_planned]
    note = f"The peak of {' and '.join(added)} is added up, not planned: a layer has no gradient of its input."
    return [title, table, *([Text(note)] if added else [])]


def _cell(baselines: Mapping[str, Account], way: str, field: str) -> str:
    nbytes: int = getattr(baselines[way], field)
    if way == "bp_float" or "bp_float" not in baselines:
        return format_nbytes(nbytes)
    return f"{format_nbytes(nbytes)} {ratio(getattr(baselines['bp_float'], field), nbytes):>10}"


def ratio(reference: int, nbytes: int) -> str:
    """Return how ``nbytes`` compares with ``reference``: ``94.5x less``, ``1.2x more``, ``same``; empty where either is 0."""
    if not reference or not nbytes:
        return ""
    if reference == nbytes:
        return "same"
    less = reference > nbytes
    times = reference / nbytes if less else nbytes / reference
    return f"{times:,.{2 if times < 1.1 else 1 if times < 1000 else 0}f}x {'less' if less else 'more'}"
