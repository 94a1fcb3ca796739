"""The promises of ``Graph``, checked where it leaves this stage."""

from __future__ import annotations

from tinyfoa_rt.ir.graph import Graph

__all__ = ["GraphFault", "verify_graph"]


class GraphFault(Exception):
    """A graph that is not what ``Graph`` promises: names the node or the value. A defect of this package, not of the file."""


def verify_graph(graph: Graph) -> None:
    """Check the promises in the docstring of ``Graph``.

    Raises:
        GraphFault: names the first one that does not hold.
    """
    if graph.opset < 18:
        raise GraphFault(f"the operator set is {graph.opset}")
    for what, names in (("input", graph.inputs), ("output", graph.outputs)):
        if not names or len(set(names)) < len(names):
            raise GraphFault(f"there is no {what}, or one twice: {names}")
    if set(graph.inputs) & set(graph.constants):
        raise GraphFault("an input is a constant")
    if set(graph.sized) & {*graph.inputs, *graph.constants}:
        raise GraphFault("a value depends on the batch, and does not")
    _verify_order(graph)
    _verify_use(graph)
    _verify_values(graph)


def _verify_order(graph: Graph) -> None:
    known = {*graph.inputs, *graph.constants, *graph.sized}
    names: set[str] = set()
    for node in graph.nodes:
        if not node.name or node.name in names:
            raise GraphFault(f"a node has no name, or that of another: '{node.name}'")
        names.add(node.name)
        for name in node.inputs:
            if name and name not in known:
                raise GraphFault(f"{node.name} reads {name}, which comes later")
        for name in node.outputs:
            if name in known:
                raise GraphFault(f"{node.name} writes {name}, which is a constant, an input or there already")
            if name:
                known.add(name)
    for name in graph.outputs:
        if name not in known:
            raise GraphFault(f"nothing computes the output {name}")


def _verify_use(graph: Graph) -> None:
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if not needed.intersection(node.outputs):
            raise GraphFault(f"{node.name} reaches no output")
        needed.update(name for name in node.inputs if name)


def _verify_values(graph: Graph) -> None:
    used = {name for node in graph.nodes for name in (*node.inputs, *node.outputs) if name}
    for name in (*used, *graph.inputs, *graph.outputs, *graph.constants):
        value = graph.values.get(name)
        if value is None or value.name != name or len(value.growth) not in (0, len(value.shape)):
            raise GraphFault(f"the value {name} has no type, another name, or grows along other axes than it has")
    for name, constant in graph.constants.items():
        value = graph.values[name]
        if constant.name != name or (value.dtype, value.shape) != (constant.dtype, constant.shape) or value.is_batched:
            raise GraphFault(f"the constant {name} is not what its value says")
    for name in graph.inputs:
        if not graph.values[name].is_row:
            raise GraphFault(f"the input {name} has not one row a sample")
