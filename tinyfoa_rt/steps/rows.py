"""Which values have their rows in the order of the samples: only those can be kept for each sample, and handed to a block."""

from __future__ import annotations

from collections.abc import Collection
from itertools import zip_longest

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Block, Partition
from tinyfoa_rt.ir.graph import Graph, Node, Value
from tinyfoa_rt.operators import is_view

__all__ = ["check_borders", "disordered", "rows_in_order"]


def rows_in_order(graph: Graph) -> frozenset[str]:
    """Return the values of which the first rows are those of the first sample, and so on: one a sample, or several."""
    found = set(graph.inputs)
    for node in graph.nodes:
        read = [graph.values[name] for name in node.inputs if name and graph.constant_at(name, 1) is None]
        for name in node.outputs:
            if name and (graph.values[name].is_row or _keeps_order(node, graph.values[name], read, found)):
                found.add(name)
    return frozenset(found)


def _keeps_order(node: Node, value: Value, read: list[Value], ordered: set[str]) -> bool:
    """Whether several rows a sample follow each other as those do that they are computed from."""
    rows = value.shape[0] if value.shape else 0
    if not rows or value.growth != (rows, *(0 for _ in value.shape[1:])) or any(each.name not in ordered for each in read):
        return False
    return is_view(node.op_type, node.domain) or all(each.growth[0] == rows for each in read)


def disordered(graph: Graph, block: Block, ordered: frozenset[str]) -> str:
    """Return why a block cannot be trained on single samples: a sentence about a value; empty where it can."""
    for name in block.inputs:
        if name not in ordered:
            return f"reads '{name}' ({_shown(graph.values[name])}), whose rows are not those of single samples"
    if not graph.values[block.output].is_row:
        return f"gives '{block.output}' ({_shown(graph.values[block.output])}), which has no one row a sample"
    return ""


def check_borders(graph: Graph, parts: Partition, trained: Collection[str], score: str) -> None:
    """Refuse to train blocks where a value is kept for each sample while they train, and has no rows of single samples.

    Args:
        graph: the model.
        parts: its blocks.
        trained: names of the blocks that are trained.
        score: the value that is read at the end.

    Raises:
        UnsupportedError: a value passes from before a trained block to behind its beginning, or is the score.
    """
    ordered = rows_in_order(graph)
    made, kept = list(graph.inputs), [score]
    behind = [node for block in parts.blocks for node in block.nodes]
    made += [name for node in parts.stem for name in node.outputs]
    for block in parts.blocks:
        if block.name in trained:
            read = {name for node in behind for name in node.inputs}
            kept += [name for name in made if name in read]
        behind = behind[len(block.nodes) :]
        made += [name for node in block.nodes for name in node.outputs]
    for name in kept:
        if name not in ordered or (name == score and not graph.values[name].is_row):
            problem = f"({_shown(graph.values[name])}) has no rows of single samples, which are kept where a trained block begins"
            raise UnsupportedError(f"value '{name}'", problem, "train only what is behind it, for example --train last:1")


def _shown(value: Value) -> str:
    sizes = []
    for size, more in zip_longest(value.shape, value.growth, fillvalue=0):
        rest = f"+{size - more}" if size > more else ""
        sizes.append(f"{more if more > 1 else ''}N{rest}" if more else str(size))
    return "x".join(sizes) or "a scalar"
