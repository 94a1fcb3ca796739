"""The promises of ``Graph``, checked where it leaves this stage."""

from __future__ import annotations

from tinyfoa_rt.ir.graph import Graph

__all__ = ["verify_graph"]


def verify_graph(graph: Graph) -> None:
    """Check the four promises in the docstring of ``Graph``; a failure is a mistake of this package, not of the file.

    Raises:
        AssertionError: one does not hold.
    """
    _verify_nodes(graph)
    _verify_values(graph)
    assert graph.opset >= 18, graph.opset
    assert graph.inputs, "no inputs"
    assert graph.outputs, "no outputs"
    assert not set(graph.inputs) & set(graph.constants), "an input is a constant"
    assert not set(graph.sized) & {*graph.inputs, *graph.constants}, "a value depends on the batch, and does not"


def _verify_nodes(graph: Graph) -> None:
    known = {*graph.inputs, *graph.constants, *graph.sized}
    for node in graph.nodes:
        assert all(name in known for name in node.inputs if name), f"{node.name} reads what comes later"
        written = [name for name in node.outputs if name]
        assert not known.intersection(written), f"{node.name} writes a constant, an input or a value twice"
        known.update(written)
    assert all(name in known for name in graph.outputs), "an output is not produced"
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        assert needed.intersection(node.outputs), f"{node.name} reaches no output"
        needed.update(node.inputs)
    names = {node.name for node in graph.nodes}
    assert len(names) == len(graph.nodes), "two nodes of one name"
    assert "" not in names, "a node without a name"


def _verify_values(graph: Graph) -> None:
    used = {name for node in graph.nodes for name in (*node.inputs, *node.outputs) if name}
    for name in (*used, *graph.inputs, *graph.outputs):
        assert name in graph.values, f"no type of '{name}'"
    for name, constant in graph.constants.items():
        value = graph.values[name]
        assert (value.dtype, value.shape, value.is_batched) == (constant.dtype, constant.shape, False), name
    for name in graph.inputs:
        assert graph.values[name].is_row, name
