"""A graph and the shapes of its inputs -> what a run allocates and frees, node by node.

onnxruntime allocates a node's results when it comes to the node, each in whole units of 64 bytes, and frees a value after its
last reader. What nothing reads stays to the end. It writes no result over an input, since it knows no sizes inside of functions;
in a loop over blocks of rows it knows them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tinyfoa_rt.allocation.kernels import ALIASES, IN_PLACE, working_blocks
from tinyfoa_rt.allocation.shapes import Value, has_rule, infer
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.inlined import InlinedGraph, InlinedNode
from tinyfoa_rt.ir.names import MARK, SIZED, parts

__all__ = ["Allocation", "allocations"]

_UNIT = 64  # bytes
_NUMBER = 4  # bytes of a float32
_NOTHING = Value((0,), 1)


@dataclass(slots=True)
class Allocation:
    """Bytes that are taken when node ``start`` runs and given back before node ``end`` does."""

    name: str
    nbytes: int
    start: int
    end: int


def allocations(
    graph: InlinedGraph, known: Mapping[str, Value], held: Collection[str], *, knows_sizes: bool = False
) -> list[Allocation]:
    """Return what a run allocates.

    Args:
        graph: in order of execution.
        known: the inputs of the graph, and all that has no rule of shapes.
        held: outputs that the caller has bound to memory, so that nothing is allocated for them.
        knows_sizes: whether onnxruntime knows all sizes before it runs.
    """
    values = {name: Value.of(array) for name, array in graph.constants.items()}
    values.update(known)
    bound = {*held}
    num_nodes = len(graph.nodes)
    last = {name: place for place, node in enumerate(graph.nodes) for name in node.inputs}
    last.update(dict.fromkeys(graph.outputs, num_nodes - 1))
    stored: dict[str, Allocation] = {}
    found: list[Allocation] = []
    for place, node in enumerate(graph.nodes):
        inputs = [values[name] if name else None for name in node.inputs]
        outputs = _outputs(node, inputs, known)
        for nbytes in _working_blocks(node, inputs, outputs):
            found.append(Allocation("", _rounded(nbytes), place, place + 1))
        for name, value in zip(node.outputs, outputs):
            if not name:
                continue
            values[name] = value
            end = last.get(name, num_nodes - 1) + 1
            if name in bound:
                continue
            is_over = node.op_type in ALIASES or (knows_sizes and _is_in_place(node, place, last))
            source = stored.get(node.inputs[0]) if is_over else None
            if source is not None:
                source.end = max(source.end, end)
                stored[name] = source
            elif node.op_type not in ALIASES:
                stored[name] = Allocation(name, _rounded(value.nbytes), place, end)
                found.append(stored[name])
    return found


def _is_in_place(node: InlinedNode, place: int, last: Mapping[str, int]) -> bool:
    """Whether a node writes its result over its first input, which nothing reads behind it."""
    return node.op_type in IN_PLACE and last[node.inputs[0]] == place


def _working_blocks(node: InlinedNode, inputs: Sequence[Value | None], outputs: Sequence[Value]) -> list[int]:
    if node.op_type != "Scan":
        return working_blocks(node.op_type, inputs, outputs, node.attributes)
    body = node.attributes["body"]
    return [_turn_nbytes(body, node.inputs[len(body.inputs) :], inputs)] if isinstance(body, InlinedGraph) else []


def _turn_nbytes(body: InlinedGraph, outside: Sequence[str], inputs: Sequence[Value | None]) -> int:
    """What a turn of a loop over blocks of rows takes at most; behind the blocks stands what it reads from outside."""
    known: dict[str, Value] = {}
    for place, (name, value) in enumerate(zip((*body.inputs, *outside), inputs)):
        assert value is not None
        known[name] = Value(value.shape[1:], value.item_nbytes) if place < len(body.inputs) else value
    taken = allocations(body, known, body.outputs, knows_sizes=True)
    return max(sum(each.nbytes for each in taken if each.start <= place < each.end) for place in range(len(body.nodes)))


def _rounded(nbytes: int) -> int:
    return -(-nbytes // _UNIT) * _UNIT


def _outputs(node: InlinedNode, inputs: Sequence[Value | None], known: Mapping[str, Value]) -> list[Value]:
    if known.keys().isdisjoint(node.outputs) and has_rule(node.op_type):  # as most are, inside of bodies
        return infer(node.op_type, inputs, node.attributes, len(node.outputs))
    given = [known.get(name) if name else _NOTHING for name in node.outputs]
    whole = [value for value in given if value is not None]
    if len(whole) == len(given):
        return whole
    body = node.attributes.get("body")
    if isinstance(body, InlinedGraph):  # of each turn of the loop a number, what is no tensor of the step
        assert inputs[0] is not None
        return [Value(inputs[0].shape[:1], _NUMBER) if value is None else value for value in given]
    if not has_rule(node.op_type):
        if any(MARK in name and parts(name)[-1] != SIZED for name in node.outputs):  # on the way to sizes there are few numbers
            problem = f"calls {node.op_type}, of whose result the size is not known"
            raise UnsupportedError(f"body of '{node.source}'", problem, "write it in operators that allocation/shapes.py knows")
        # An operator of a frozen part, with a result that no step reads.
        return [_NOTHING if value is None else value for value in given]
    found = infer(node.op_type, inputs, node.attributes, len(node.outputs))
    return [value if here is None else here for here, value in zip(given, found)]
