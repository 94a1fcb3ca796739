"""The forward pass, or a stage of it, as an ONNX model of any batch.

Parameters of trained layers are inputs of a stage, which a trainer binds to the memory where it keeps them; in the inference
model they are initializers with raw data, whose bytes a trainer replaces. Everything else of the model is an initializer too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tinyfoa_rt.emit.folding import fold_normalizations
from tinyfoa_rt.emit.nodes import ByteForm, element_type, emit_nodes, finish_model
from tinyfoa_rt.emit.opset import find_opset
from tinyfoa_rt.emit.packed import PackedForm
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import StepGraph, StepTensor
from tinyfoa_rt.operators import DOMAIN

__all__ = ["emit_forward", "emit_inference"]


def emit_forward(stage: StepGraph, *, is_packed: bool = False, rewrites: Collection[str] = ()) -> onnx.ModelProto:
    """Return a stage of the forward pass, its parameters as inputs; the rest is as with :func:`tinyfoa_rt.emit.emit_step`.

    Raises:
        UnsupportedError: an operator has no function body.
    """
    form = PackedForm(stage) if is_packed else ByteForm(stage, rewrites)
    return _emit(form, {}, "forward", f"Forward pass: {stage.name}.")


def emit_inference(
    forward: StepGraph,
    parameters: Mapping[str, NDArray[Any]],
    rewrites: Collection[str] = (),
    public: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Return the whole trained model: the user's input and output names, ``parameters`` inside as they are at first.

    Batch normalization behind a trained layer is folded into it. ``public`` says what the user calls inputs and outputs that have
    another name here.

    Raises:
        UnsupportedError: an operator has no function body.
    """
    doc = "The trained model."
    model = _emit(ByteForm(forward, rewrites), parameters, "inference", doc)
    if public:
        _call_as_the_user(model.graph, public)
    return model


def _call_as_the_user(graph: onnx.GraphProto, public: Mapping[str, str]) -> None:
    """Give inputs and outputs the user's names; what is inside and has one of them makes way."""
    names = {**{name: own(name, "inside") for name in public.values()}, **public}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for each in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        each.name = names.get(each.name, each.name)


def _emit(form: ByteForm, given: Mapping[str, NDArray[Any]], kind: str, doc: str) -> onnx.ModelProto:
    forward = form.step
    nodes, emission = emit_nodes(form, keeps_batch=False)
    outputs = [
        emission.constant_output(n) if n in forward.constants else form.value_info(n, is_open=True) for n in forward.outputs
    ]
    initializers = emission.initializers
    if kind == "inference":
        nodes = fold_normalizations(forward, nodes, initializers)
    nodes = [*emission.first_nodes, *nodes]
    known = {*given, *forward.constants, *(name for node in forward.nodes for name in node.outputs)}
    read = [name for name in forward.inputs if name not in known]
    read += [name for node in forward.nodes for name in node.inputs if name and name not in known]
    used = {name for node in forward.nodes for name in node.inputs}
    parameters = [_parameter(forward.tensors[name], values) for name, values in given.items() if name in used]
    # A reader of the trained model cannot infer all types through our bodies, and it may be planned and trained again.
    ours = [node for node in nodes if node.domain == DOMAIN] if kind == "inference" else []
    declared = sorted({name for node in ours for name in node.output if name}.difference(forward.outputs))
    graph = helper.make_graph(
        nodes,
        forward.name,
        [form.value_info(name, is_open=True) for name in dict.fromkeys(read)],
        outputs,
        [*initializers, *parameters],
        value_info=[form.value_info(name, is_open=True) for name in declared],
    )
    properties = {"kind": kind, **form.properties([*read, *forward.outputs])}
    return finish_model(graph, properties, doc, form.functions(nodes), find_opset(forward))


def _parameter(tensor: StepTensor, values: NDArray[Any]) -> onnx.TensorProto:
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return TensorProto(name=tensor.name, data_type=element_type(tensor), dims=tensor.type.shape, raw_data=little.tobytes())
