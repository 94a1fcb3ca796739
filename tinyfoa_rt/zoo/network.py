"""A network under construction: nodes, values with their shapes, and parameters that are declared and not yet drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper

from tinyfoa_rt.zoo.spec import LayerSpec
from tinyfoa_rt.zoo.weights import Parameter

__all__ = ["BATCH", "LOCAL_DOMAIN", "Network"]

BATCH = "batch"
LOCAL_DOMAIN = "tinyfoa"


class Network:
    """Collects what the layers add; a value has the name of the layer that makes it, and a shape without the batch."""

    def __init__(self, path: str, input_shape: tuple[int, ...]) -> None:
        self.path = path
        self.nodes: list[onnx.NodeProto] = []
        self.parameters: list[Parameter] = []
        self.shapes: dict[str, tuple[int, ...]] = {"input": input_shape}

    def place(self, layer: LayerSpec) -> str:
        """Where an error message says that ``layer`` stands."""
        return f"{self.path}, layer '{layer.name}'"

    def parameter(self, name: str, shape: Sequence[int], fan_in: int = 0) -> str:
        """Declare a trained parameter, He-initialised for ``fan_in`` inputs or zero."""
        self.parameters.append(Parameter(name, tuple(shape), fan_in))
        return name

    def constant(self, name: str, shape: Sequence[int], fill: float, is_trained: bool) -> str:
        """Declare a parameter that starts with one value everywhere."""
        self.parameters.append(Parameter(name, tuple(shape), fill=fill, is_trained=is_trained))
        return name

    def node(self, layer: LayerSpec, op_type: str, inputs: Sequence[str], shape: tuple[int, ...], **attributes: Any) -> None:
        """Append the node of ``layer``, whose output has ``shape``."""
        self.nodes.append(helper.make_node(op_type, inputs, [layer.name], name=layer.name, **attributes))
        self.shapes[layer.name] = shape

    def multiply_adds(self) -> Mapping[str, int]:
        """Of each layer with weights how often a pass of one sample multiplies one."""
        fan_in = {parameter.name: parameter.fan_in for parameter in self.parameters if parameter.fan_in}
        weights = {node.name: name for node in self.nodes for name in node.input if name in fan_in}
        return {layer: fan_in[name] * math.prod(self.shapes[layer]) for layer, name in weights.items()}

    def value_info(self, name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *self.shapes[name]])
