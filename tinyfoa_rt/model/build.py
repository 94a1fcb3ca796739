"""What was inferred -> ``Graph``: names made unique, attributes made plain, weights left where they lie."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.ir.graph import Constant, Graph, Node, Quantized, Sized, Value
from tinyfoa_rt.ir.names import unmarked
from tinyfoa_rt.model.batch import AnyBatch, check_outputs
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.infer import Inferred
from tinyfoa_rt.model.nodes import is_default_domain, node_place, read_attributes, read_names
from tinyfoa_rt.model.order import needed_nodes
from tinyfoa_rt.model.tensors import dtype_name

__all__ = ["build_graph", "keep_tensor_outputs"]


def keep_tensor_outputs(draft: Draft, inferred: Inferred) -> Draft:
    """Return the draft without the outputs that turned out to be maps or sequences, and without what only they need.

    Raises:
        UnsupportedError: no output is a tensor.
    """
    kept = tuple(name for name in draft.outputs if _is_tensor(name, inferred))
    if not kept:
        raise UnsupportedError(draft.place, "has no output that is a tensor", "export it without a map of labels (ZipMap)")
    return replace(draft, outputs=kept)


def _is_tensor(name: str, inferred: Inferred) -> bool:
    return name in inferred.constants or inferred.types[name].WhichOneof("value") in (None, "tensor_type")


def build_graph(draft: Draft, found: AnyBatch) -> Graph:
    """Return the graph of the nodes that the draft's outputs need.

    Args:
        draft: without outputs that are no tensors.
        found: its values at any batch.

    Raises:
        UnsupportedError: a value of unknown type or shape.
        ModelError: no output depends on an input.
    """
    inferred = found.single
    protos = needed_nodes(inferred.nodes, draft.outputs)
    read = dict.fromkeys(name for proto in protos for name in read_names(proto))
    wanted = {*read, *draft.outputs}
    for proto in protos:
        _check_types(proto, wanted, inferred)
    if not any(name in inferred.batched for name in draft.outputs):
        raise ModelError(draft.place, "has no output that depends on an input", "give a model that computes from its inputs")
    check_outputs(found, protos)
    names = _unique_names(protos)
    nodes = tuple(_build_node(proto, name, inferred) for proto, name in zip(protos, names, strict=True))
    written = dict.fromkeys(name for node in nodes for name in node.outputs if name)
    inputs = tuple(name for name in draft.inputs if name in read or name in draft.outputs)
    used = dict.fromkeys((*inputs, *read, *written, *draft.outputs))
    graph = Graph(
        name=Path(draft.place).stem,
        opset=draft.opsets[""],
        inputs=inputs,
        outputs=draft.outputs,
        nodes=nodes,
        values={name: _build_value(name, found) for name in used},
        constants={
            name: _build_constant(name, inferred) for name in used if name in inferred.constants and name not in found.sized
        },
        sized={name: _build_sized(name, found) for name in used if name in found.sized},
    )
    return _unmarked(graph)


def _unmarked(graph: Graph) -> Graph:
    """The graph without the mark of a step's own tensors in the names of its values and nodes."""
    free = unmarked(graph.values)
    free_nodes = unmarked(node.name for node in graph.nodes)
    if not free and not free_nodes:
        return graph

    def all_of(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(free.get(name, name) for name in names)

    nodes = tuple(
        replace(node, name=free_nodes.get(node.name, node.name), inputs=all_of(node.inputs), outputs=all_of(node.outputs))
        for node in graph.nodes
    )
    values = {free.get(name, name): replace(value, name=free.get(name, name)) for name, value in graph.values.items()}
    constants = {free.get(name, name): replace(each, name=free.get(name, name)) for name, each in graph.constants.items()}
    sized = {
        free.get(name, name): replace(each, value=replace(each.value, name=free.get(name, name)))
        for name, each in graph.sized.items()
    }
    inputs, outputs = all_of(graph.inputs), all_of(graph.outputs)
    public = {free[name]: name for name in (*graph.inputs, *graph.outputs) if name in free}
    return replace(
        graph, nodes=nodes, values=values, constants=constants, sized=sized, inputs=inputs, outputs=outputs, renamed=public
    )


def _check_types(node: onnx.NodeProto, wanted: Collection[str], inferred: Inferred) -> None:
    """An output that nobody wants may stay unknown: it is dropped."""
    for name in (*read_names(node), *(name for name in node.output if name in wanted)):
        if inferred.tensor_shape(name) is not None:
            continue
        if not _is_tensor(name, inferred):
            raise UnsupportedError(node_place(node), f"uses '{name}', which is no tensor", "export it without sequences and maps")
        problem = f"has the value '{name}', whose type or shape is not known"
        raise UnsupportedError(node_place(node), problem, "declare it in the model's value_info")


def _unique_names(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """Keep each node's own name where it is the first of that name; call the others by operator and position."""
    taken = {node.name for node in nodes}
    used: set[str] = {""}
    names: list[str] = []
    for index, node in enumerate(nodes):
        name = node.name
        if name in used:
            name = f"{node.name or node.op_type}_{index}"
            while name in taken or name in used:
                name += "_"
        used.add(name)
        names.append(name)
    return names


def _build_node(proto: onnx.NodeProto, name: str, inferred: Inferred) -> Node:
    node = Node(
        name=name,
        op_type=proto.op_type,
        domain="" if proto.domain == "ai.onnx" else proto.domain,
        inputs=tuple(proto.input),
        outputs=tuple(name if inferred.tensor_shape(name) else "" for name in proto.output),
        attributes=read_attributes(proto),
    )
    return replace(node, inputs=(*node.inputs, *node.captured))


def _build_value(name: str, found: AnyBatch) -> Value:
    shape = found.single.tensor_shape(name)
    assert shape is not None, name
    return Value(name, dtype_name(shape[0]), shape[1], found.growth.get(name, ()))


def _build_sized(name: str, found: AnyBatch) -> Sized:
    """A constant that depends on the number of samples, with all that it is computed from."""
    read = partial(_read_at, name, found)
    value = _build_value(name, found)
    if value.dtype in ("int64", "int32") and not value.is_batched:
        one, two, many = (read(batch) for batch in (1, 2, 5))
        if np.array_equal(many - one, 4 * (two - one)):
            return Sized(value, read, two - one, None)
    node = found.single.constants.producer(name)
    if node is None:
        raise UnsupportedError(
            f"value '{name}'", "does not grow evenly with the batch", "export the model with a fixed batch of 1"
        )
    inputs = tuple(_build_given(each, found) if each else None for each in node.input)
    return Sized(value, read, None, _build_node(node, node.name or node.output[0], found.single), inputs)


def _build_given(name: str, found: AnyBatch) -> Constant | Sized:
    return _build_sized(name, found) if name in found.sized else _build_constant(name, found.single)


def _read_at(name: str, found: AnyBatch, batch: int) -> NDArray[Any]:
    return found.at(batch).constants.read(name)


def _build_constant(name: str, inferred: Inferred) -> Constant:
    elem_type, dims = inferred.constants.types[name]
    return Constant(name, dtype_name(elem_type), dims, partial(inferred.constants.read, name), _quantized(name, inferred))


def _quantized(name: str, inferred: Inferred) -> Quantized | None:
    """What a constant is dequantized from; ``None`` for types and blocks that operator set 18 does not have."""
    node = inferred.constants.producer(name)
    if node is None or node.op_type != "DequantizeLinear" or not is_default_domain(node):
        return None
    attributes = read_attributes(node)
    parts = [_build_constant(each, inferred) if each else None for each in node.input]
    integers, scale, zero_point = [*parts, None][:3]
    assert integers is not None and scale is not None
    is_known = integers.dtype in ("int8", "uint8", "int32") and scale.dtype == "float32" and not attributes.get("block_size", 0)
    axis = attributes.get("axis", 1)
    return Quantized(integers, scale, zero_point, int(axis)) if is_known and isinstance(axis, int) else None
