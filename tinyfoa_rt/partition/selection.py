"""What is trained: ``all``, ``last:K`` or a list of block and layer names.

Behind each may stand a share of its inputs (``conv5[:1/4]``), or that its biases alone are trained (``conv5[bias]``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.names import elide

__all__ = ["named_blocks", "select_blocks", "select_shares"]

_MOST_SHOWN = 4
_LAST = re.compile(r"last:(\d{1,9})")
_SUFFIX = re.compile(r"(.+)\[([^\[\]]*)\]", re.DOTALL)
_BIASES = "bias"
_ALL = Fraction(1)
_SHARE = re.compile(r":(\d{1,9})/(\d{1,9})")


def select_blocks(blocks: Sequence[Block], train: str | Sequence[str]) -> frozenset[str]:
    """Return the names of the blocks that ``train`` selects.

    Args:
        blocks: all blocks of one depth, in execution order.
        train: ``all``, ``last:K`` (the last K blocks) or names of blocks or layers, separated by commas; or a sequence of names.
            A share may stand behind each.

    Raises:
        UsageError: K is not between 1 and the number of blocks, or a name is not there.
    """
    is_text = isinstance(train, str)
    return frozenset(block.name for name, _ in _entries(blocks, train) for block in _blocks_of(blocks, name, is_text=is_text))


def select_shares(blocks: Sequence[Block], train: str | Sequence[str]) -> dict[str, Fraction]:
    """Return, by the names of layers, the share of their inputs that ``train`` selects, where that is not all.

    It is 0 where biases alone are trained. A share behind the name of a block, behind ``all`` or ``last:K`` is that of all layers
    which it selects; of two entries that mean a layer the later one decides.

    Raises:
        UsageError: as :func:`select_blocks`; or what stands behind a name is not ``bias`` and no share between 0 and 1.
    """
    shares: dict[str, Fraction] = {}
    for name, suffix in _entries(blocks, train):
        selected = _blocks_of(blocks, name, is_text=isinstance(train, str))
        layers = [layer.name for block in selected for layer in block.layers]
        share = _share(name, suffix) if suffix else _ALL
        shares.update(dict.fromkeys([name] if name in layers else layers, share))
    return {name: share for name, share in shares.items() if share != _ALL}


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
    block_of = _block_of(blocks)
    names = _split(given, block_of) if isinstance(given, str) else given
    if unknown := [name for name in names if name not in block_of]:
        raise _unknown(blocks, f"{flag} {unknown[0]}", others)
    return frozenset(block_of[name] for name in names)


def _entries(blocks: Sequence[Block], train: str | Sequence[str]) -> Iterator[tuple[str, str]]:
    """What ``train`` lists: names, ``all`` or ``last:K``, and what stands in brackets behind each."""
    known = _block_of(blocks)
    if isinstance(train, str):
        whole = _with_suffix(train, known)
        train = [train] if whole[0] == "all" or _LAST.fullmatch(whole[0]) else _split(train, known)
    return (_with_suffix(each, known) for each in train)


def _with_suffix(entry: str, known: Collection[str]) -> tuple[str, str]:
    """The name and what stands in brackets behind it, where that is not a part of the name."""
    match = _SUFFIX.fullmatch(entry)
    return (entry, "") if match is None or entry in known else (match[1], match[2])


def _blocks_of(blocks: Sequence[Block], name: str, *, is_text: bool) -> list[Block]:
    """The blocks that an entry means; in a sequence it is a name first, for a layer may be called ``all``."""
    is_name = not is_text and name in _block_of(blocks)
    if name == "all" and not is_name:
        return list(blocks)
    if (last := _LAST.fullmatch(name)) and not is_name:
        count = int(last[1])
        if not 1 <= count <= len(blocks):
            raise UsageError(f"--train {name}", f"the model has {len(blocks)} blocks", f"use last:1 to last:{len(blocks)}")
        return list(blocks[-count:])
    selected = named_blocks(blocks, (name,), "--train", "all, last:K")
    return [block for block in blocks if block.name in selected]


def _share(name: str, suffix: str) -> Fraction:
    if suffix == _BIASES:
        return Fraction(0)
    place = f"--train {name}[{suffix}]"
    mend = f"write {name}[:1/4] for the first quarter of its inputs, {name}[bias] for its biases"
    match = _SHARE.fullmatch(suffix)
    if match is None:
        raise UsageError(place, "what stands in brackets is no share", mend)
    if not 0 < int(match[1]) < int(match[2]):
        raise UsageError(place, "a share is between 0 and 1", mend)
    return Fraction(int(match[1]), int(match[2]))


def _block_of(blocks: Sequence[Block]) -> dict[str, str]:
    """The name of its block, by each name of a layer or block."""
    return {name: block.name for block in reversed(blocks) for name in (*(layer.name for layer in block.layers), block.name)}


def _split(given: str, known: Collection[str]) -> list[str]:
    """Cut a list at its commas, but for those that belong to a name: of all that could be meant the longest is taken."""
    parts = given.split(",")
    names = []
    while parts:
        ends = range(len(parts), 0, -1)
        found = (
            (end, name)
            for end in ends
            for text in [",".join(parts[:end])]
            for name in (text, text.strip())
            if _with_suffix(name, known)[0] in known
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
