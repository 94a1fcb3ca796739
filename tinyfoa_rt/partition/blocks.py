"""Cut a graph into blocks (docs/partition.md).

1. depth(layer) = 1 + the largest depth of a trainable layer before it.
2. A node that is no layer belongs to the deepest layers that reach it without passing another layer; before any layer it
   belongs to the stem.
3. Layers of one depth that share such a node are one block.
4. What enters a block from outside is an input of it; its output is the value where its local loss attaches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import networkx as nx

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.block import Block, Layer, Partition
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.partition.layers import find_layers
from tinyfoa_rt.partition.score import find_score, nodes_before

__all__ = ["partition"]


def partition(graph: Graph, at: str | None = None) -> Partition:
    """Return the blocks of ``graph`` in execution order.

    Args:
        graph: the model.
        at: the value at which its loss attaches; by default where a cross entropy does.

    Raises:
        UnsupportedError: the graph has no trainable layer.
    """
    layers = find_layers(graph)
    if not layers:
        raise UnsupportedError(
            f"model '{graph.name}'",
            "has no trainable layer (Gemm, MatMul or Conv with a constant weight)",
            "see 'tinyfoa-rt inspect' for what stands in the way",
        )
    owners = _owners(graph, layers)
    stem = tuple(node for node in graph.nodes if not owners[node.name])
    groups = _grouped(graph, layers, owners)
    exports = _exports(graph, owners, groups)
    score = find_score(graph)
    at = at or (score.logits if score is not None else None)
    if at is None:
        return Partition(stem, tuple(_block(graph, group, exports[i], ()) for i, group in enumerate(groups)))
    before = nodes_before(graph, at)
    for group in groups:
        group.layers = [layer for layer in group.layers if layer.nodes[0].name in before]
    learning = [(group, exported) for group, exported in zip(groups, exports) if group.layers]
    needed = {name for node in graph.nodes if node.name in before for name in node.inputs}
    blocks = [_block(graph, group, exported, needed, at if group is learning[-1][0] else None) for group, exported in learning]
    reading = _Readers(graph, at, {node.name for block in blocks for layer in block.layers for node in layer.nodes})
    behind = {node.name for group in groups if not group.layers for node in group.nodes}
    return Partition(
        stem,
        tuple(replace(block, keeps_reals=not block.is_classifier and reading.leads_outside(block.output)) for block in blocks),
        tuple(node for node in graph.nodes if node.name in behind),
    )


class _Group:
    """The layers and nodes of one block while it is being put together."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.layers: list[Layer] = []
        self.nodes: list[Node] = []


def _dataflow(graph: Graph) -> nx.DiGraph[str]:
    """Nodes by name, an edge for each value that one computes and another reads."""
    producer = {name: node.name for node in graph.nodes for name in node.outputs if name}
    flow: nx.DiGraph[str] = nx.DiGraph()
    flow.add_nodes_from(node.name for node in graph.nodes)
    flow.add_edges_from((producer[name], node.name) for node in graph.nodes for name in node.inputs if name in producer)
    return flow


def _owners(graph: Graph, layers: Iterable[Layer]) -> dict[str, frozenset[tuple[int, str]]]:
    """For each node the (depth, layer) pairs it belongs to: itself if it is a layer, none in the stem."""
    flow = _dataflow(graph)
    layer_of = {node.name: layer for layer in layers for node in layer.nodes}
    owners: dict[str, frozenset[tuple[int, str]]] = {}
    for node in graph.nodes:  # topological order, so predecessors are known
        before = frozenset().union(*(owners[p] for p in flow.predecessors(node.name)))
        depth = max((d for d, _ in before), default=0)
        layer = layer_of.get(node.name)
        if layer is None:
            owners[node.name] = frozenset(pair for pair in before if pair[0] == depth)
        elif node is layer.nodes[0]:
            owners[node.name] = frozenset({(depth + 1, layer.name)})
        else:
            owners[node.name] = owners[layer.nodes[0].name]
    return owners


def _grouped(graph: Graph, layers: Iterable[Layer], owners: Mapping[str, frozenset[tuple[int, str]]]) -> list[_Group]:
    """Join layers that share a node; groups are ordered by depth, then by their first node."""
    sharing: nx.Graph[tuple[int, str]] = nx.Graph()
    for pairs in owners.values():
        ordered = sorted(pairs)
        sharing.add_nodes_from(ordered)
        sharing.add_edges_from((ordered[0], other) for other in ordered[1:])
    group_of: dict[str, _Group] = {}
    for component in nx.connected_components(sharing):
        group = _Group(depth=next(iter(component))[0])
        group_of.update((name, group) for _, name in component)
    for layer in layers:
        group_of[layer.name].layers.append(layer)
    groups: dict[int, _Group] = {}
    for node in graph.nodes:
        for _, name in list(owners[node.name])[:1]:
            group = group_of[name]
            group.nodes.append(node)
            groups[id(group)] = group
    return sorted(groups.values(), key=lambda group: group.depth)


def _exports(graph: Graph, owners: Mapping[str, frozenset[tuple[int, str]]], groups: list[_Group]) -> list[set[str]]:
    """For each group the values that other groups or the model's outputs read."""
    group_of = {node.name: i for i, group in enumerate(groups) for node in group.nodes}
    producer = {name: group_of[node.name] for node in graph.nodes if node.name in group_of for name in node.outputs if name}
    exports: list[set[str]] = [set() for _ in groups]
    for node in graph.nodes:
        for name in node.inputs:
            if name in producer and producer[name] != group_of.get(node.name):
                exports[producer[name]].add(name)
    for name in graph.outputs:
        if name in producer:
            exports[producer[name]].add(name)
    return exports


class _Readers:
    """Who reads a value: the layers that learn, up to where the loss attaches, or another output of the model."""

    def __init__(self, graph: Graph, at: str, learning: Collection[str]) -> None:
        self._outputs = set(graph.outputs)
        self._at = at
        self._learning = learning
        self._nodes: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self._nodes.setdefault(name, []).append(node)

    def leads_outside(self, value: str) -> bool:
        """Whether a value is, or feeds past the layers that learn, an output of the model."""
        waiting, seen = [value], {value}
        while waiting:
            name = waiting.pop()
            if name in self._outputs:
                return True
            readers = (node for node in self._nodes.get(name, ()) if node.name not in self._learning)
            found = {output for node in readers for output in node.outputs} - seen - {self._at}
            seen |= found
            waiting += found
        return False


def _block(graph: Graph, group: _Group, exports: set[str], needed: Collection[str], at: str | None = None) -> Block:
    """The block of a group; ``at`` is where the model's loss attaches, of the block that computes it."""
    produced = [name for node in group.nodes for name in node.outputs if name]
    reads = dict.fromkeys(name for node in group.nodes for name in node.inputs if name)
    ordered = tuple(name for name in produced if name in exports)
    return Block(
        name=group.layers[0].name,
        depth=group.depth,
        layers=tuple(group.layers),
        nodes=tuple(group.nodes),
        inputs=tuple(name for name in reads if name not in set(produced) and graph.constant_at(name, 1) is None),
        output=at or _output(group, tuple(name for name in ordered if name in needed) or ordered),
        exports=ordered,
        is_classifier=at is not None,
    )


def _output(group: _Group, exports: tuple[str, ...]) -> str:
    """The export that most layers of the block reach, the last of them: that is where the local loss attaches."""
    reached: dict[str, frozenset[str]] = {layer.output: frozenset({layer.name}) for layer in group.layers}
    for node in group.nodes:
        union = frozenset().union(*(reached.get(name, frozenset()) for name in node.inputs))
        for name in node.outputs:
            reached.setdefault(name, union)
    return max(enumerate(exports), key=lambda item: (len(reached[item[1]]), item[0]))[1]
