"""Raising a model to opset 18, the oldest that later stages know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import onnx
import onnx.version_converter
from onnx import numpy_helper

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.model.batch import AnyBatch
from tinyfoa_rt.model.draft import Draft
from tinyfoa_rt.model.infer import Inferred
from tinyfoa_rt.model.nodes import forget_inner_shapes, is_default_domain
from tinyfoa_rt.model.schema import has_schema
from tinyfoa_rt.model.shapes import tensor_type
from tinyfoa_rt.model.tensors import read_tensor

__all__ = ["LOWEST_OPSET", "raise_opset"]

LOWEST_OPSET = 18
# Where operators of onnxruntime's own that stand in ONNX's domain wait: the converter does not pass what ONNX does not know.
_ELSEWHERE = "elsewhere"


def raise_opset(draft: Draft, found: AnyBatch) -> Draft:
    """Return the draft in opset 18, its ``If`` branches of known condition taken, and what depends on the batch still computed.

    Large weights stay behind and come back by name, so the converter never copies them. It is given every shape that is
    known: some conversions (Softmax of opset 12) depend on the rank.

    Raises:
        UnsupportedError: an operator has no counterpart in opset 18.
    """
    inferred = found.single
    model = _assemble(draft, inferred, found.sized)
    try:
        raised = onnx.version_converter.convert_version(model, LOWEST_OPSET)
    except Exception as error:  # the bindings raise RuntimeError, ConvertError or a parse error alike
        cause = (str(error).splitlines() or [type(error).__name__])[0][:300]
        problem = f"cannot be raised from opset {draft.opsets['']} to {LOWEST_OPSET} ({cause})"
        raise UnsupportedError(draft.place, problem, f"export it with opset {LOWEST_OPSET} or newer") from error
    names = {output: node.name for node in inferred.visited for output in node.output if output}
    for node in raised.graph.node:  # the converter forgets the name of a node that it replaces
        node.name = node.name or next((names[output] for output in node.output if output in names), "")
        node.domain = "" if node.domain == _ELSEWHERE else node.domain
    tensors = {**inferred.constants.tensors, **{tensor.name: tensor for tensor in raised.graph.initializer}}
    nodes = tuple(map(forget_inner_shapes, raised.graph.node))  # the converter writes those of batch 1
    return replace(draft, opsets={**draft.opsets, "": LOWEST_OPSET}, nodes=nodes, tensors=tensors)


def _assemble(draft: Draft, inferred: Inferred, sized: Collection[str]) -> onnx.ModelProto:
    """Return a model of all nodes but those whose results are at hand; what is large is declared as an input."""
    known = {name: tensor for name, tensor in inferred.constants.known_tensors().items() if name not in sized}
    model = onnx.ModelProto(ir_version=10)
    for domain, version in {**draft.opsets, _ELSEWHERE: 1}.items():
        model.opset_import.add(domain=domain, version=version)
    graph = model.graph
    graph.name = "model"
    graph.node.extend(node for node in inferred.visited if any(name and name not in known for name in node.output))
    for node in graph.node:
        if is_default_domain(node) and not has_schema(node, draft.opsets):
            node.domain = _ELSEWHERE
    written = {name for node in graph.node for name in node.output}
    for name, tensor in known.items():
        if name not in written:
            graph.initializer.append(_as_inline(tensor, name, draft))
    given = [name for name in (*inferred.types, *inferred.constants.types) if name not in written and name not in known]
    graph.input.extend(_typed(name, inferred) for name in given)
    graph.value_info.extend(_typed(name, inferred) for name in written if name and inferred.tensor_shape(name) is not None)
    graph.output.extend(_typed(name, inferred) for name in draft.outputs)
    return model


def _typed(name: str, inferred: Inferred) -> onnx.ValueInfoProto:
    shape = inferred.tensor_shape(name)
    return onnx.ValueInfoProto(name=name, type=inferred.types.get(name) if shape is None else tensor_type(*shape))


def _as_inline(tensor: onnx.TensorProto, name: str, draft: Draft) -> onnx.TensorProto:
    """Return a small tensor with its elements inside it, under its name in the graph."""
    inline = onnx.TensorProto()
    inline.CopyFrom(tensor)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        inline = numpy_helper.from_array(read_tensor(tensor, draft.folder, f"initializer '{name}'"))
    inline.name = name
    return inline
