"""Where blocks end: runs of consecutive one-layer parts become blocks that are trained end to end.

``--block-layers`` says where: ``1`` after every part (TinyFoA), ``K`` after K parts, ``all`` nowhere before the model's own loss
(backpropagation), or names of layers after which a block ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block, Partition
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.partition.selection import named_blocks

__all__ = ["join_classifier", "merge_parts"]

_COUNT = re.compile(r"\d{1,9}")


def merge_parts(graph: Graph, parts: Partition, trained: Collection[str], block_layers: str) -> Partition:
    """Return the partition with the parts that are trained together in one block.

    A block of ``K`` parts is counted from the model's end. A part that is not trained ends a block; with ``all`` and with names
    errors pass through it instead, and the last block reaches to the model's own loss. A part that leads to no other one of its
    block, as the first of a branch does where its block ends before the branches join, is a block of its own.

    Args:
        graph: the model.
        parts: blocks of one depth.
        trained: names of those that are trained.
        block_layers: ``all``, a number from 1, or names of layers or parts, separated by commas.

    Raises:
        UsageError: ``block_layers`` is none of these.
    """
    if block_layers == "1" or not parts.blocks:
        return parts
    if _COUNT.fullmatch(block_layers):
        if not int(block_layers):
            raise UsageError("--block-layers 0", "is no number of layers", "use 1 or more, all, or names of layers")
        runs = _runs_of(parts.blocks, trained, int(block_layers))
    else:
        ends = set() if block_layers == "all" else named_blocks(parts.blocks, block_layers, "--block-layers", "1, K, all")
        runs = _runs_to(parts.blocks, trained, ends)
    connected = [each for run in runs for each in _connected(run, trained)]
    return replace(parts, blocks=tuple(_merged(graph, run, trained) for run in connected))


def join_classifier(graph: Graph, parts: Partition, trained: Collection[str]) -> Partition:
    """Return the partition with the model's classifier in one block with the part that it reads, whose learned head it then is.

    Raises:
        UsageError: it is not a dense layer that reads the output of the part before it, or one of the two is not trained.
    """
    place, mend = "--classifier head", "leave it out, or name where blocks end with --block-layers"
    if len(parts.blocks) < 2:
        raise UsageError(place, "wants a trained layer before the model's classifier", mend)
    before, last = parts.blocks[-2:]
    layer = last.layers[0]
    is_head = last.is_classifier and len(last.layers) == 1 and layer.kind == "dense" and layer.input == before.output
    if not is_head:
        raise UsageError(place, f"wants a dense classifier that reads the output of {before.name} alone", mend)
    left = [block.name for block in (before, last) if block.name not in trained]
    if left:
        raise UsageError(place, f"trains {before.name} and {last.name} together, and {left[0]} is frozen", mend)
    return replace(parts, blocks=(*parts.blocks[:-2], _merged(graph, (before, last), trained)))


def _runs_of(blocks: Sequence[Block], trained: Collection[str], count: int) -> list[list[Block]]:
    """Runs of up to ``count`` trained parts, the last of them full."""
    runs: list[list[Block]] = []
    for block in reversed(blocks):
        goes_on = runs and block.name in trained and runs[-1][0].name in trained and len(runs[-1]) < count
        if goes_on:
            runs[-1].insert(0, block)
        else:
            runs.append([block])
    return runs[::-1]


def _runs_to(blocks: Sequence[Block], trained: Collection[str], ends: Collection[str]) -> list[list[Block]]:
    """Runs that begin with a trained part and end after one of ``ends``, or with the model."""
    runs: list[list[Block]] = []
    is_open = False
    for block in blocks:
        if is_open:
            runs[-1].append(block)
        else:
            runs.append([block])
            is_open = block.name in trained
        is_open = is_open and block.name not in ends
    return runs


def _connected(run: Sequence[Block], trained: Collection[str]) -> list[list[Block]]:
    """The run, cut before each part that those in front of it do not lead to: no error would come back to them."""
    runs: list[list[Block]] = []
    for part in reversed(run):
        leads_on = runs and any(name in behind.inputs for name in part.exports for behind in runs[-1])
        if leads_on:
            runs[-1].insert(0, part)
        else:
            runs.append([part])
    return [each for connected in reversed(runs) for each in _from_first_trained(connected, trained)]


def _from_first_trained(run: list[Block], trained: Collection[str]) -> list[list[Block]]:
    """The run from its first trained part on, and each of those before as a block of its own."""
    first = next((place for place, part in enumerate(run) if part.name in trained), len(run) - 1)
    return [*([part] for part in run[:first]), run[first:]]


def _merged(graph: Graph, run: Sequence[Block], trained: Collection[str]) -> Block:
    """One block of a run; of its parts those that ``trained`` names have layers in it."""
    if len(run) == 1:
        return run[0]
    nodes = tuple(node for part in run for node in part.nodes)  # what a part reads is made before it
    inside = {node.name for node in nodes}
    produced = {name for node in nodes for name in node.outputs if name}
    reads = dict.fromkeys(name for node in nodes for name in node.inputs if name)
    read_outside = {name for node in graph.nodes if node.name not in inside for name in node.inputs} | {*graph.outputs}
    return replace(
        run[-1],
        name=run[0].name,
        layers=tuple(layer for part in run if part.name in trained for layer in part.layers),
        nodes=nodes,
        inputs=tuple(name for name in reads if name not in produced and graph.constant_at(name, 1) is None),
        exports=tuple(name for node in nodes for name in node.outputs if name in read_outside),
        parts=tuple(run),
    )
