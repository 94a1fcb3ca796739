"""Shape rules of onnxruntime's own quantized operators (domain ``com.microsoft``), which its quantizer writes.

Each has the shape of the standard operator whose name it bears, on the inputs that are data; scales and zero points have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import onnx

from tinyfoa_rt.model.shapes import static_dims, tensor_type

__all__ = ["has_quantized_rule", "infer_quantized_outputs"]

_DOMAIN = "com.microsoft"
# The attributes that only the quantized operator has.
_OWN_ATTRIBUTES = frozenset(("channels_last", "opset"))
_Infer = Callable[[onnx.NodeProto, Mapping[str, onnx.TypeProto]], Mapping[str, onnx.TypeProto]]


class _Counterpart(NamedTuple):
    """A standard operator, the positions of its data among the inputs, and the position of the output's zero point."""

    op_type: str
    data: slice
    zero_point: int


_COUNTERPARTS: Mapping[str, _Counterpart] = {
    "QGemm": _Counterpart("Gemm", slice(0, 4, 3), 8),
    "QLinearAdd": _Counterpart("Add", slice(0, 4, 3), 7),
    "QLinearAveragePool": _Counterpart("AveragePool", slice(0, 1), 4),
    "QLinearConcat": _Counterpart("Concat", slice(2, None, 3), 1),
    "QLinearGlobalAveragePool": _Counterpart("GlobalAveragePool", slice(0, 1), 4),
    "QLinearLeakyRelu": _Counterpart("LeakyRelu", slice(0, 1), 4),
    "QLinearMul": _Counterpart("Mul", slice(0, 4, 3), 7),
    "QLinearSigmoid": _Counterpart("Sigmoid", slice(0, 1), 4),
    "QLinearSoftmax": _Counterpart("Softmax", slice(0, 1), 4),
}


def has_quantized_rule(node: onnx.NodeProto) -> bool:
    return node.domain == _DOMAIN and node.op_type in _COUNTERPARTS


def infer_quantized_outputs(
    node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], infer: _Infer
) -> dict[str, onnx.TypeProto]:
    """Return the type of the node's output, or nothing where it cannot be told.

    Args:
        node: one that has a rule.
        types: of everything it reads.
        infer: tells the types of a standard node's outputs.
    """
    counterpart = _COUNTERPARTS[node.op_type]
    attributes = {each.name: each for each in node.attribute}
    if attributes.get("channels_last", onnx.AttributeProto()).i:
        return {}
    data = list(node.input)[counterpart.data]
    shapes = [static_dims(types[name], {}) for name in data]
    if not data or None in shapes:
        return {}
    reals = {name: tensor_type(onnx.TensorProto.FLOAT, dims) for name, dims in zip(data, shapes) if dims is not None}
    standard = onnx.NodeProto(op_type=counterpart.op_type, name=node.name, input=data, output=node.output)
    standard.attribute.extend(each for name, each in attributes.items() if name not in _OWN_ATTRIBUTES)
    dims = static_dims(infer(standard, reals).get(node.output[0]), {})
    if dims is None:
        return {}
    return {node.output[0]: tensor_type(_element_type(node, types, counterpart), dims)}


def _element_type(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], counterpart: _Counterpart) -> int:
    """That of the output's zero point; without one QGemm gives real numbers, and the others what they read."""
    position = counterpart.zero_point
    if position < len(node.input) and node.input[position]:
        return types[node.input[position]].tensor_type.elem_type
    return onnx.TensorProto.FLOAT if node.op_type == "QGemm" else types[node.input[0]].tensor_type.elem_type
