"""Taking the branch of an ``If`` whose condition is known: its nodes become nodes of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from tinyfoa_rt.errors import ModelError
from tinyfoa_rt.model.nodes import node_place, subgraphs

__all__ = ["Branch", "take_branch"]


@dataclass(frozen=True)
class Branch:
    """What takes an ``If``'s place: nodes that end in its outputs, and the initializers they read."""

    nodes: tuple[onnx.NodeProto, ...]
    tensors: Mapping[str, onnx.TensorProto]


def take_branch(node: onnx.NodeProto, *, condition: bool) -> Branch:
    """Return the chosen branch, its own names made unique by the name of the ``If``'s first output.

    Raises:
        ModelError: the branch has another number of outputs than the node.
    """
    wanted = "then_branch" if condition else "else_branch"
    graph = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
    if len(graph.output) != len(node.output):
        raise ModelError(
            node_place(node), f"has {len(node.output)} outputs, its {wanted} {len(graph.output)}", "repair the model"
        )
    own = {tensor.name for tensor in graph.initializer} | {name for inner in graph.node for name in inner.output if name}
    names = {name: f"{node.output[0]}/{wanted}/{name}" for name in own}
    nodes = [_rename(inner, names) for inner in graph.node]
    for inner, name in zip(graph.output, node.output, strict=True):
        if name:
            source = names.get(inner.name, inner.name)
            nodes.append(
                onnx.NodeProto(op_type="Identity", name=f"{node.name or node.output[0]}_out", input=[source], output=[name])
            )
    return Branch(tuple(nodes), {names[tensor.name]: tensor for tensor in graph.initializer})


def _rename(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    renamed = onnx.NodeProto()
    renamed.CopyFrom(node)
    _rename_in_place(renamed, names)
    return renamed


def _rename_in_place(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for graph in subgraphs(node):
        shadowed = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        shadowed.update(name for inner in graph.node for name in inner.output)
        outer = {name: new for name, new in names.items() if name not in shadowed}
        for inner in graph.node:
            _rename_in_place(inner, outer)
        for value in graph.output:
            value.name = outer.get(value.name, value.name)
