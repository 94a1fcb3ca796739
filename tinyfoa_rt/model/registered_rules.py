"""Shapes of operators that are not ONNX's own and were registered with a shape rule (operators/signature.py)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.model.nodes import read_attributes
from tinyfoa_rt.model.shapes import static_dims, tensor_type
from tinyfoa_rt.model.tensors import dtype_name
from tinyfoa_rt.operators.signature import ShapeRule

__all__ = ["infer_registered_outputs"]


def infer_registered_outputs(
    node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], shape_rule: ShapeRule
) -> dict[str, onnx.TypeProto]:
    """Return the types of a node's outputs by the rule; nothing where a type that it reads is not known."""
    inputs: list[TensorType | None] = []
    for name in node.input:
        dims = static_dims(types[name], {}) if name else None
        if name and dims is None:
            return {}
        inputs.append(None if dims is None else TensorType(dtype_name(types[name].tensor_type.elem_type), dims))
    found = shape_rule(inputs, read_attributes(node))
    return {name: _type_proto(each) for name, each in zip(node.output, found) if name}


def _type_proto(tensor: TensorType) -> onnx.TypeProto:
    return tensor_type(helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)), tensor.shape)
