"""Which blocks are trained: ``all``, ``last:K`` or a list of block and layer names."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.names import elide

__all__ = ["select_blocks"]

_MOST_SHOWN = 4
_LAST = re.compile(r"last:(\d{1,9})")


def select_blocks(blocks: Sequence[Block], train: str | Sequence[str], flag: str = "--train") -> frozenset[str]:
    """Return the names of the blocks that ``train`` selects.

    Args:
        blocks: all blocks, in execution order.
        train: ``all``, ``last:K`` (the last K blocks) or names of blocks or layers, separated by commas; or a sequence of names.
        flag: the option that asks, for messages.

    Raises:
        UsageError: K is not between 1 and the number of blocks, or a name is not there.
    """
    block_of = {name: block.name for block in reversed(blocks) for name in (*(layer.name for layer in block.layers), block.name)}
    if not isinstance(train, str):
        names = list(train)
    elif train == "all":
        names = [block.name for block in blocks]
    elif last := _LAST.fullmatch(train):
        count = int(last[1])
        if not 1 <= count <= len(blocks):
            raise UsageError(f"{flag} {train}", f"the model has {len(blocks)} blocks", f"use last:1 to last:{len(blocks)}")
        names = [block.name for block in blocks[-count:]]
    else:
        names = _split(train, block_of)
    if unknown := [name for name in names if name not in block_of]:
        raise _unknown(blocks, unknown[0], flag)
    return frozenset(block_of[name] for name in names)


def _split(train: str, known: Container[str]) -> list[str]:
    """Cut a list at its commas, but for those that belong to a name: of all that could be meant the longest is taken."""
    parts = train.split(",")
    names = []
    while parts:
        ends = range(len(parts), 0, -1)
        found = (
            (end, name) for end in ends for text in [",".join(parts[:end])] for name in (text, text.strip()) if name in known
        )
        end, name = next(found, (1, parts[0].strip()))
        names.append(name)
        del parts[:end]
    return names


def _unknown(blocks: Sequence[Block], name: str, flag: str) -> UsageError:
    # Some exporters join the names of all nodes that they merged: eight of those would fill a page.
    known = ", ".join(elide(block.name) for block in blocks[:_MOST_SHOWN]) + (", …" if len(blocks) > _MOST_SHOWN else "")
    mend = f"use all, last:K or names such as {known} ('tinyfoa-rt plan --json' prints them in full)"
    return UsageError(f"{flag} {name}", "no block or layer has this name", mend)
