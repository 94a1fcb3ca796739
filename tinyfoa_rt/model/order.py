"""Names and order: every value produced once and before it is read, and only nodes that an output needs."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import onnx

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.nodes import node_place, read_names

__all__ = ["needed_nodes", "order_nodes"]

_REPAIR = "repair the model, or export it again"


def order_nodes(draft: Draft) -> Draft:
    """Return the draft with its nodes in topological order (the file's, where that is one) and without dead ones.

    Raises:
        ModelError: a value with two producers, one that nothing produces, or a cycle.
    """
    producers = _find_producers(draft)
    for node in draft.nodes:
        for name in read_names(node):
            if name not in producers and name not in draft.inputs and name not in draft.tensors:
                raise ModelError(node_place(node), f"reads '{name}', which nothing produces", _REPAIR)
    for name in draft.outputs:
        if name not in producers and name not in draft.inputs and name not in draft.tensors:
            raise ModelError(f"output '{name}'", "is produced by nothing", _REPAIR)
    needed = needed_nodes(draft.nodes, draft.outputs)
    return replace(draft, nodes=_sort(needed))


def needed_nodes(nodes: Sequence[onnx.NodeProto], outputs: Collection[str]) -> tuple[onnx.NodeProto, ...]:
    """Return the nodes that some output depends on, in their order."""
    producers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    found: set[int] = set()
    pending = [producers[name] for name in outputs if name in producers]
    while pending:
        index = pending.pop()
        if index not in found:
            found.add(index)
            pending.extend(producers[name] for name in read_names(nodes[index]) if name in producers)
    return tuple(nodes[index] for index in sorted(found))


def _find_producers(draft: Draft) -> Mapping[str, onnx.NodeProto]:
    producers: dict[str, onnx.NodeProto] = {}
    for node in draft.nodes:
        for name in node.output:
            if not name:
                continue
            if name in producers:
                raise ModelError(node_place(node), f"writes '{name}', as {node_place(producers[name])} does", _REPAIR)
            if name in draft.inputs or name in draft.tensors:
                raise ModelError(node_place(node), f"writes '{name}', which is an input or an initializer", _REPAIR)
            producers[name] = node
    return producers


def _sort(nodes: Sequence[onnx.NodeProto]) -> tuple[onnx.NodeProto, ...]:
    producers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    before = [{producers[name] for name in read_names(node) if name in producers} for node in nodes]
    after: list[list[int]] = [[] for _ in nodes]
    for index, sources in enumerate(before):
        for source in sources:
            after[source].append(index)
    waits = [len(sources) for sources in before]
    ready = [index for index, count in enumerate(waits) if count == 0]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for reader in after[index]:
            waits[reader] -= 1
            if waits[reader] == 0:
                heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        cycle = _find_cycle(before, set(range(len(nodes))) - set(order))
        raise ModelError(node_place(nodes[cycle[0]]), f"depends on itself, in a cycle of {len(cycle)} nodes", _REPAIR)
    return tuple(nodes[index] for index in order)


def _find_cycle(before: Sequence[set[int]], stuck: set[int]) -> list[int]:
    """Walk backwards among nodes that all wait for one of their own: the walk must meet itself."""
    path: list[int] = []
    position: dict[int, int] = {}
    index = min(stuck)
    while index not in position:
        position[index] = len(path)
        path.append(index)
        index = min(before[index] & stuck)
    return path[position[index] :]
