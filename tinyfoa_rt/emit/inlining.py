"""An emitted model -> the nodes that onnxruntime runs, in its order, where its optimizers are off.

onnxruntime inlines functions level by level and appends what it inlines. It runs a graph depth first, from the last of the nodes
that nothing reads, and of a node's inputs the one that was added last comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from tinyfoa_rt.ir.inlined import InlinedGraph, InlinedNode
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.operators import DOMAIN

__all__ = ["inline_functions"]


# onnxruntime has no kernel of this one and runs ONNX's own definition.
_HARD_SWISH: bytes = onnx.defs.get_schema("HardSwish", 18).function_body.SerializeToString()
_CONSTANTS = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}
_TRUTHS = frozenset({"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"})


class _Node(NamedTuple):
    """A node of a graph or a body; ``references`` are attributes of the function that it takes under names of its own."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    references: Mapping[str, str]


class _Body(NamedTuple):
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    defaults: Mapping[str, Any]
    nodes: tuple[_Node, ...]


def inline_functions(model: onnx.ModelProto, kernels: Collection[str] = ()) -> InlinedGraph:
    """Return the standard operators of a model in order of execution; operators that a library has ``kernels`` of stay."""
    ours = (each.SerializeToString() for each in model.functions if each.name not in kernels)
    functions = (*ours, _HARD_SWISH)
    return _inline(model.graph, functions)


def _inline(graph: onnx.GraphProto, functions: tuple[bytes, ...]) -> InlinedGraph:
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    levels: list[list[InlinedNode]] = []
    for node in graph.node:
        parts = _inlined(node.SerializeToString(), functions)
        constants.update(parts.constants)
        levels += [[] for _ in parts.levels[len(levels) :]]
        for level, part in zip(levels, parts.levels):
            level.extend(part)
    outputs = [each.name for each in graph.output]
    nodes = [_with_turn(node, functions) if node.op_type == "Scan" else node for level in levels for node in level]
    nodes = _without_double_casts(nodes, outputs)
    order = _order(tuple([(node.inputs, node.outputs) for node in nodes]))
    return InlinedGraph([nodes[place] for place in order], constants, [each.name for each in graph.input], outputs)


def _with_turn(node: InlinedNode, functions: tuple[bytes, ...]) -> InlinedNode:
    """A loop over blocks of rows (emit/row_blocks.py) with its body inlined; what that reads from outside are inputs too."""
    body = node.attributes.get("body")
    if body is None or not any(inner.domain == DOMAIN for inner in body.node):
        return node
    turn = _inline(body, functions)
    inside = {*turn.inputs, *turn.constants, *(name for inner in turn.nodes for name in inner.outputs)}
    captured = dict.fromkeys(name for inner in turn.nodes for name in inner.inputs if name and name not in inside)
    return replace(node, inputs=(*node.inputs, *captured), attributes={**node.attributes, "body": turn})


class _Inlined(NamedTuple):
    """What one node becomes, by how deep it lies in functions, and the constants inside."""

    levels: list[list[InlinedNode]]
    constants: dict[str, Any]


@lru_cache(maxsize=4096)  # plans are searched for among steps that have most nodes in common
def _inlined(content: bytes, functions: tuple[bytes, ...]) -> _Inlined:
    proto = onnx.NodeProto.FromString(content)
    bodies = {body.name: body for body in map(_body, functions)}
    found = _Inlined([], {})
    nodes = [InlinedNode(*_read(proto)[:4], proto.name)]
    calls = 0
    while nodes:
        found.levels.append([node for node in nodes if node.op_type not in bodies])
        inside = []
        for node in nodes:
            if node.op_type in bodies:
                calls += 1
                inside += _expand(node, bodies[node.op_type], own(proto.output[0], str(calls)), found.constants)
        nodes = inside
    return found


def _expand(call: InlinedNode, body: _Body, owner: str, constants: dict[str, Any]) -> list[InlinedNode]:
    """The nodes of a body under names of their own; its constants are added to ``constants``."""
    given = {**body.defaults, **call.attributes}
    names = dict.fromkeys(body.inputs, "")
    names.update(zip(body.inputs, call.inputs))
    names.update((formal, name) for formal, name in zip(body.outputs, call.outputs) if name)
    names[""] = ""
    found = []
    for node in body.nodes:
        attributes = node.attributes
        if node.references:
            attributes = {**attributes, **{name: given[source] for name, source in node.references.items() if source in given}}
        outputs = tuple([names.get(name) or names.setdefault(name, own(owner, name)) for name in node.outputs])
        if node.op_type == "Constant":
            ((kind, value),) = attributes.items()
            constants[outputs[0]] = value if kind == "value" else np.array(value, dtype=_CONSTANTS[kind])
            continue
        inputs = tuple([names[name] for name in node.inputs])
        found.append(InlinedNode(node.op_type, inputs, outputs, attributes, call.source))
    return found


@lru_cache(maxsize=512)
def _body(content: bytes) -> _Body:
    function = onnx.FunctionProto.FromString(content)
    defaults = {each.name: _value(each) for each in function.attribute_proto}
    name, nodes = _full_name(function.name, function.domain), tuple(map(_read, function.node))
    return _Body(name, tuple(function.input), tuple(function.output), defaults, nodes)


def _read(node: onnx.NodeProto) -> _Node:
    references = {each.name: each.ref_attr_name for each in node.attribute if each.ref_attr_name}
    attributes = {each.name: _value(each) for each in node.attribute if not each.ref_attr_name}
    return _Node(_full_name(node.op_type, node.domain), tuple(node.input), tuple(node.output), attributes, references)


def _full_name(name: str, domain: str) -> str:
    """An operator of another domain has it in its name, which may be that of one of ONNX's."""
    return name if domain in ("", "ai.onnx", DOMAIN) else f"{domain}:{name}"


def _value(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value if isinstance(value, (int, float, onnx.GraphProto)) else tuple(value)


def _without_double_casts(nodes: Sequence[InlinedNode], outputs: Sequence[str]) -> list[InlinedNode]:
    """Truth values that become bytes, which only casts to real numbers read, become these at once: onnxruntime does so."""
    truths = {node.outputs[0] for node in nodes if node.op_type in _TRUTHS}
    of_bytes = {
        node.outputs[0]: node.inputs[0]
        for node in nodes
        if node.op_type == "Cast" and node.attributes["to"] == onnx.TensorProto.UINT8 and node.inputs[0] in truths
    }
    kept = {name for node in nodes if node.op_type != "Cast" for name in node.inputs} | {*outputs}
    dropped = {name: truth for name, truth in of_bytes.items() if name not in kept}
    found = [node for node in nodes if node.outputs[0] not in dropped]
    return [
        replace(node, inputs=(dropped[node.inputs[0]],)) if node.op_type == "Cast" and node.inputs[0] in dropped else node
        for node in found
    ]


@lru_cache(maxsize=64)  # steps of one block in other sizes have the same order
def _order(nodes: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]) -> list[int]:
    """The places of nodes, given as their inputs and outputs, in the order in which they run."""
    maker = {name: place for place, (_, outputs) in enumerate(nodes) for name in outputs if name}
    before = [sorted({maker[name] for name in inputs if name in maker}) for inputs, _ in nodes]
    read = {place for places in before for place in places}
    stack = [(place, False) for place in range(len(nodes)) if place not in read]
    is_visited = [False] * len(nodes)
    order = []
    while stack:
        place, is_left = stack.pop()
        if is_left:
            order.append(place)
        elif not is_visited[place]:
            is_visited[place] = True
            stack.append((place, True))
            stack += [(each, False) for each in before[place] if not is_visited[each]]
    return order
