"""One node of a step as a model of its own, without its weights: what onnxruntime is asked whether it can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from tinyfoa_rt.emit.nodes import ByteForm, NodeEmission, element_type, finish_model
from tinyfoa_rt.emit.opset import LOWEST_OPSET, find_opset
from tinyfoa_rt.ir.step import PLANES, StepGraph, StepNode

__all__ = ["emit_probe", "is_plain"]

_SMALL_SIZE = 1024


def is_plain(step: StepGraph, node: StepNode) -> bool:
    """Whether a node reads and writes float32 by a standard operator of operator set 18, beside integer constants."""
    tensors = (step.tensors[name] for name in (*node.inputs, *node.outputs) if name in step.tensors)
    is_real = all(tensor.type.dtype in ("float32", *PLANES) for tensor in tensors)
    return not node.domain and is_real and find_opset(replace(step, nodes=(node,))) == LOWEST_OPSET


def emit_probe(step: StepGraph, node: StepNode) -> onnx.ModelProto:
    """Return a model of the node, small constants inside, everything else an input of its type."""
    small = {name: each for name, each in step.constants.items() if each.size <= _SMALL_SIZE}
    alone = replace(step, nodes=(node,), constants=small)
    emission = NodeEmission(alone, keeps_batch=True)
    proto = emission.node(node)
    inside = {each.name for each in emission.initializers}
    inside |= {name for each in emission.first_nodes for name in each.output}
    graph = helper.make_graph(
        [*emission.first_nodes, proto],
        "probe",
        list(_inputs(step, node, inside)),
        [onnx.ValueInfoProto(name=name) for name in node.outputs if name],
        emission.initializers,
    )
    return finish_model(graph, {}, "", ByteForm(alone).functions([proto]), find_opset(alone))


def _inputs(step: StepGraph, node: StepNode, inside: set[str]) -> Iterator[onnx.ValueInfoProto]:
    shape_of = 1 if node.op_type == "Reshape" and not node.domain else None  # is always written anew
    for position, name in enumerate(node.inputs):
        if not name or name in inside or position == shape_of:
            continue
        inside.add(name)
        if name in step.constants:
            constant = step.constants[name]
            yield helper.make_tensor_value_info(name, _element_type(constant.dtype), constant.shape)
        else:
            yield helper.make_tensor_value_info(name, element_type(step.tensors[name]), step.tensors[name].type.shape)


def _element_type(dtype: str) -> int:
    return TensorProto.BFLOAT16 if dtype == "bfloat16" else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
