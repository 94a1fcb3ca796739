"""A model between file and ``Graph``: checked outside in, its weights kept apart from its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from tinyfoa_rt.errors import ModelError, UnsupportedError
from tinyfoa_rt.model.functions import inline_functions
from tinyfoa_rt.model.nodes import is_default_domain, node_place, stored_tensors
from tinyfoa_rt.model.read import read_opsets
from tinyfoa_rt.model.tensors import check_tensor

__all__ = ["Draft", "all_tensors", "draft_model"]


@dataclass(frozen=True)
class Draft:
    """The parts of a model file that matter here.

    Attributes:
        place: the file, for messages.
        folder: where external data may lie.
        opsets: version of each operator domain.
        inputs: declared types of the data inputs; initializers that are listed as inputs (IR 3) are not among them.
        outputs: names, at least one; maps and sequences are left out where a tensor remains.
        nodes: of the top graph, ``Constant`` nodes with a tensor excepted.
        tensors: initializers, and what those ``Constant`` nodes hold.
        declared: types that the file states for any other value.
        functions: model-local functions that were not inlined.
    """

    place: str
    folder: Path
    opsets: Mapping[str, int]
    inputs: Mapping[str, onnx.TypeProto]
    outputs: tuple[str, ...]
    nodes: tuple[onnx.NodeProto, ...]
    tensors: Mapping[str, onnx.TensorProto]
    declared: Mapping[str, onnx.TypeProto]
    functions: tuple[onnx.FunctionProto, ...]


def draft_model(model: onnx.ModelProto, path: Path) -> Draft:
    """Take a parsed model apart, with its functions inlined.

    Raises:
        ModelError: no inputs, no outputs, a name that is missing or given twice, damaged tensors.
        UnsupportedError: sparse tensors, inputs that are not tensors, an operator set out of range.
    """
    place, graph = str(path), model.graph
    opsets = read_opsets(model, place)
    _check_stored_tensors(model, path.parent)
    if graph.sparse_initializer:
        raise UnsupportedError(place, "has sparse initializers", "store them as dense tensors")
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    if len(tensors) != len(graph.initializer) or "" in tensors:
        raise ModelError(place, "has an initializer without a name, or two of one name", "export it again")
    inputs = _data_inputs(graph, tensors, place)
    nodes, functions = inline_functions(model, opsets, place)
    kept = [node for node in nodes if not _is_stored_constant(node)]
    tensors.update({node.output[0]: node.attribute[0].t for node in nodes if _is_stored_constant(node)})
    declared = {value.name: value.type for value in (*graph.value_info, *graph.output) if value.HasField("type")}
    outputs = _tensor_outputs(graph.output, place)
    return Draft(place, path.parent, opsets, inputs, outputs, tuple(kept), tensors, declared, functions)


def _check_stored_tensors(model: onnx.ModelProto, folder: Path) -> None:
    for place, tensor in all_tensors(model):
        check_tensor(tensor, folder, place)


def all_tensors(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Yield every stored tensor of a model, subgraphs and functions included, with how messages call its place."""
    for tensor in model.graph.initializer:
        yield f"initializer '{tensor.name}'", tensor
    for node in _all_nodes(model):
        for tensor in stored_tensors(node):
            yield node_place(node), tensor


def _all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    yield from model.graph.node
    for function in model.functions:
        yield from function.node


def _data_inputs(graph: onnx.GraphProto, tensors: Mapping[str, onnx.TensorProto], place: str) -> dict[str, onnx.TypeProto]:
    names = [value.name for value in graph.input]
    if len(set(names)) != len(names) or "" in names:
        raise ModelError(place, "has an input without a name, or two of one name", "export it again")
    inputs = {value.name: value.type for value in graph.input if value.name not in tensors}
    if not inputs:
        raise ModelError(place, "has no inputs", "give a model that computes its outputs from an input")
    for name, declared in inputs.items():
        if not declared.HasField("tensor_type"):
            raise UnsupportedError(f"input '{name}'", "is not a tensor", "give a model whose inputs are tensors")
    return inputs


def _is_stored_constant(node: onnx.NodeProto) -> bool:
    is_constant = node.op_type == "Constant" and is_default_domain(node) and not node.input
    return is_constant and len(node.output) == len(node.attribute) == 1 and node.attribute[0].name == "value"


def _tensor_outputs(outputs: Iterable[onnx.ValueInfoProto], place: str) -> tuple[str, ...]:
    """Return the outputs that may be tensors: a classifier's table of labels (a sequence of maps) is nothing to train."""
    found = list(outputs)
    if not found:
        raise ModelError(place, "has no outputs", "export it again with its outputs")
    kinds = {value.name: value.type.WhichOneof("value") for value in found}
    tensors = tuple(name for name, kind in kinds.items() if name and kind in (None, "tensor_type"))
    if not tensors:
        raise UnsupportedError(place, "has no output that is a tensor", "export it without a map of labels (ZipMap)")
    return tensors
