"""Shape rules of ``ai.onnx.ml`` operators that ONNX leaves out and that stand before or behind a neural network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import onnx

from tinyfoa_rt.model.shapes import Dims, static_dims, tensor_type

__all__ = ["infer_ml_outputs"]

_Rule = Callable[[Sequence[Dims]], Dims]


def _same(shapes: Sequence[Dims]) -> Dims:
    return shapes[0]


def _pick(shapes: Sequence[Dims]) -> Dims:
    """Entries along the last axis, as many as there are indices; a vector counts as one row."""
    return (*(shapes[0][:-1] or (1,)), math.prod(shapes[1]))


_RULES: Mapping[str, tuple[_Rule, int | None]] = {  # operator -> shape rule, element type (None: that of the first input)
    "ArrayFeatureExtractor": (_pick, None),
    "Binarizer": (_same, None),
    "Imputer": (_same, None),
    "Normalizer": (_same, onnx.TensorProto.FLOAT),
    "Scaler": (_same, onnx.TensorProto.FLOAT),
}


def infer_ml_outputs(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto]) -> dict[str, onnx.TypeProto]:
    """Return the type of the node's output, or nothing where there is no rule or an input's shape is unknown."""
    if node.domain != "ai.onnx.ml" or node.op_type not in _RULES:
        return {}
    rule, elem_type = _RULES[node.op_type]
    shapes = [static_dims(types[name], {}) for name in node.input]
    known = [dims for dims in shapes if dims is not None]
    if len(known) < len(shapes):
        return {}
    first = types[node.input[0]].tensor_type.elem_type
    return {node.output[0]: tensor_type(first if elem_type is None else elem_type, rule(known))}
