"""Which blocks are trained: ``all``, ``last:K`` or a list of block and layer names."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.names import elide

__all__ = ["named_blocks", "select_blocks"]

_MOST_SHOWN = 4
_LAST = re.compile(r"last:(\d{1,9})")


def select_blocks(blocks: Sequence[Block], train: str | Sequence[str]) -> frozenset[str]:
    """Return the names of the blocks that ``train`` selects.

    Args:
        blocks: all blocks, in execution order.
        train: ``all``, ``last:K`` (the last K blocks) or names of blocks or layers, separated by commas; or a sequence of names.

    Raises:
        UsageError: K is not between 1 and the number of blocks, or a name is not there.
    """
    if train == "all":
        return frozenset(block.name for block in blocks)
    if isinstance(train, str) and (last := _LAST.fullmatch(train)):
        count = int(last[1])
        if not 1 <= count <= len(blocks):
            raise UsageError(f"--train {train}", f"the model has {len(blocks)} blocks", f"use last:1 to last:{len(blocks)}")
        return frozenset(block.name for block in blocks[-count:])
    return named_blocks(blocks, train, "--train", "all, last:K")


def named_blocks(blocks: Sequence[Block], given: str | Sequence[str], flag: str, others: str) -> frozenset[str]:
    """Return the names of the blocks that names of blocks or layers mean.

    Args:
        blocks: all blocks, in execution order.
        given: the names, separated by commas, or a sequence of names.
        flag: the option that they come from.
        others: what else it takes.

    Raises:
        UsageError: a name is not there.
    """
    block_of = {name: block.name for block in reversed(blocks) for name in (*(layer.name for layer in block.layers), block.name)}
    names = _split(given, block_of) if isinstance(given, str) else given
    if unknown := [name for name in names if name not in block_of]:
        raise _unknown(blocks, f"{flag} {unknown[0]}", others)
    return frozenset(block_of[name] for name in names)


def _split(given: str, known: Container[str]) -> list[str]:
    """Cut a list at its commas, but for those that belong to a name: of all that could be meant the longest is taken."""
    parts = given.split(",")
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


def _unknown(blocks: Sequence[Block], asked: str, others: str) -> UsageError:
    # Some exporters join the names of all nodes that they merged: eight of those would fill a page.
    known = ", ".join(elide(block.name) for block in blocks[:_MOST_SHOWN]) + (", …" if len(blocks) > _MOST_SHOWN else "")
    mend = f"use {others} or names such as {known} ('tinyfoa-rt plan --json' prints them in full)"
    return UsageError(asked, "no block or layer has this name", mend)
