"""Which blocks are trained: ``all``, ``last:K`` or a list of block and layer names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.names import elide

__all__ = ["select_blocks"]

_MOST_SHOWN = 4
_LAST = re.compile(r"last:(\d{1,9})")


def select_blocks(blocks: Sequence[Block], train: str) -> frozenset[str]:
    """Return the names of the blocks that ``train`` selects.

    Args:
        blocks: all blocks, in execution order.
        train: ``all``, ``last:K`` (the last K blocks) or names of blocks or layers, separated by commas.

    Raises:
        UsageError: K is not between 1 and the number of blocks, or a name is not there.
    """
    if train == "all":
        return frozenset(block.name for block in blocks)
    last = _LAST.fullmatch(train)
    if last:
        count = int(last[1])
        if not 1 <= count <= len(blocks):
            raise UsageError(f"--train {train}", f"the model has {len(blocks)} blocks", f"use last:1 to last:{len(blocks)}")
        return frozenset(block.name for block in blocks[-count:])
    return frozenset(_named_block(blocks, name.strip()) for name in train.split(","))


def _named_block(blocks: Sequence[Block], name: str) -> str:
    for block in blocks:
        if name == block.name or any(name == layer.name for layer in block.layers):
            return block.name
    # Some exporters join the names of all nodes that they merged: eight of those would fill a page.
    known = ", ".join(elide(block.name) for block in blocks[:_MOST_SHOWN]) + (", …" if len(blocks) > _MOST_SHOWN else "")
    mend = f"use all, last:K or names such as {known} ('tinyfoa-rt plan --json' prints them in full)"
    raise UsageError(f"--train {name}", "no block or layer has this name", mend)
