"""A step graph as an ordinary ONNX model (opset 18, IR 9).

Inputs are what the step is given: block inputs, the target, parameters and state. Outputs are the loss and the next values of
what the step updates, named ``<input>.next``; a caller binds both to the same memory. Binary activations are uint8 0 and 1, signs
of weights int8 -1 and +1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinyfoa_rt.emit.bodies import load_functions
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.step import StepGraph, StepNode, StepTensor
from tinyfoa_rt.ops import DOMAIN, operator

__all__ = ["element_type", "emit_step"]

_OPSET = 18
_IR_VERSION = 9
_ELEMENT_TYPES = {
    "float32": TensorProto.FLOAT,
    "int8": TensorProto.INT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}


def element_type(tensor: StepTensor) -> int:
    """The ONNX element type of a tensor of the step."""
    if tensor.type.dtype == "bit":
        return TensorProto.INT8 if tensor.category == "weight" else TensorProto.UINT8
    return _ELEMENT_TYPES[tensor.type.dtype]


def emit_step(step: StepGraph, *, seed: int = 0) -> onnx.ModelProto:
    """Return the step as a model that unmodified onnxruntime runs.

    Raises:
        UnsupportedError: an operator has no function body, or a standard operator's arguments are not kept.
    """
    emission = _Emission(step)
    nodes = [emission.node(node) for node in step.nodes]
    computed = {name for node in step.nodes for name in node.outputs}
    read = dict.fromkeys(name for node in step.nodes for name in node.inputs if name and name not in computed)
    outputs = [name for name in computed_in_order(step) if name in step.outputs or name.endswith(".next")]
    graph = helper.make_graph(
        nodes,
        f"step {step.name}",
        [_value_info(step.tensors[name]) for name in read],
        [_value_info(step.tensors[name]) for name in outputs],
        emission.initializers,
        value_info=[_value_info(step.tensors[name]) for name in computed_in_order(step) if name not in outputs],
    )
    ours = dict.fromkeys(node.op_type for node in step.nodes if node.domain == DOMAIN)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(DOMAIN, 1)]
    functions = load_functions(ours, sliced=_is_sliced(step))
    model = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=_IR_VERSION)
    model.producer_name = "tinyfoa-rt"
    model.doc_string = f"One training step of block {step.name} (TinyFoA). Bind each output NAME.next to the memory of NAME."
    helper.set_model_props(model, {"tinyfoa.kind": "step", "tinyfoa.block": step.name, "tinyfoa.seed": str(seed)})
    return model


def computed_in_order(step: StepGraph) -> list[str]:
    """What the nodes compute, in order."""
    return [name for node in step.nodes for name in node.outputs if name]


def _value_info(tensor: StepTensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, element_type(tensor), tensor.type.shape)


def _is_sliced(step: StepGraph) -> bool:
    return any(node.op_type.endswith("Dense") and len(node.inputs) > 3 and bool(node.inputs[3]) for node in step.nodes)


class _Emission:
    """Nodes with every input there that a body reads: absent optional ones become neutral constants."""

    def __init__(self, step: StepGraph) -> None:
        self._tensors: Mapping[str, StepTensor] = step.tensors
        self.initializers: list[onnx.TensorProto] = []

    def node(self, node: StepNode) -> onnx.NodeProto:
        inputs = self._domain_inputs(node) if node.domain == DOMAIN else self._standard_inputs(node)
        attributes: dict[str, Any] = {name: list(v) if isinstance(v, tuple) else v for name, v in node.attributes.items()}
        return helper.make_node(node.op_type, inputs, list(node.outputs), name=node.name, domain=node.domain, **attributes)

    def _domain_inputs(self, node: StepNode) -> list[str]:
        ports = operator(node.op_type).inputs
        given = [*node.inputs, *[""] * (len(ports) - len(node.inputs))]
        return [name or self._neutral(node, port.name) for name, port in zip(given, ports)]

    def _neutral(self, node: StepNode, port: str) -> str:
        """The constant that an absent input stands for."""
        if port == "origin":
            return self._constant("no_origin", np.zeros(2, dtype=np.int32))
        if port in ("scale", "x_scale"):
            return self._constant("one", np.ones((), dtype=np.float32))
        like = {"bias": node.outputs[0], "bias_slice": node.inputs[3] if len(node.inputs) > 3 else ""}.get(port, "")
        if not like:
            return ""
        size = self._tensors[like].type.shape[-1]
        return self._constant(f"no_bias_{size}", np.zeros(size, dtype=np.float32))

    def _standard_inputs(self, node: StepNode) -> list[str]:
        if node.op_type == "Reshape":
            shape = np.array(self._tensors[node.outputs[0]].type.shape, dtype=np.int64)
            return [node.inputs[0], self._constant(f"shape_of.{node.outputs[0]}", shape)]
        if "" in node.inputs:
            raise UnsupportedError(f"node '{node.name}'", f"{node.op_type} cannot be emitted yet", "plan it for c99")
        return list(node.inputs)

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        if all(tensor.name != name for tensor in self.initializers):
            self.initializers.append(numpy_helper.from_array(value, name))
        return name
