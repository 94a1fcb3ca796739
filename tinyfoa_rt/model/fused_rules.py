"""Shape rules of the operators that onnxruntime's optimizers write: several standard operators in one (domain ``com.microsoft``).

Most have the shape of their first input; the others that of the standard operator whose work they begin with. Two stand in ONNX's
own domain, where ONNX does not know them: a LayerNormalization older than operator set 17, and SimplifiedLayerNormalization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import onnx

from tinyfoa_rt.model.nodes import is_default_domain
from tinyfoa_rt.model.shapes import Dims, static_dims, tensor_type

__all__ = ["OUTSIDE_ONNX", "has_fused_rule", "infer_fused_outputs"]

OUTSIDE_ONNX = frozenset(("LayerNormalization", "SimplifiedLayerNormalization"))
_DOMAIN = "com.microsoft"
_Infer = Callable[[onnx.NodeProto, Mapping[str, onnx.TypeProto]], Mapping[str, onnx.TypeProto]]


class _Counterpart(NamedTuple):
    """A standard operator, how many of the inputs are its own, and which attributes are."""

    op_type: str
    num_inputs: int
    attributes: frozenset[str] = frozenset()


_WINDOW = frozenset(("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"))
_COUNTERPARTS: Mapping[str, _Counterpart] = {
    "DynamicQuantizeMatMul": _Counterpart("MatMul", 2),
    "FusedConv": _Counterpart("Conv", 3, _WINDOW),
    "FusedGemm": _Counterpart("Gemm", 3, frozenset(("alpha", "beta", "transA", "transB"))),
    "FusedMatMul": _Counterpart("MatMul", 2),
    "GemmFastGelu": _Counterpart("MatMul", 2),
    "MatMulIntegerToFloat": _Counterpart("MatMul", 2),
    "TransposeMatMul": _Counterpart("MatMul", 2),
}
_LIKE_FIRST = frozenset(
    ("BiasAdd", "BiasGelu", "BiasSoftmax", "BiasSplitGelu", "FastGelu", "Gelu", "GroupNorm", "QuickGelu", "RotaryEmbedding",
     "SkipGroupNorm", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
)  # fmt: skip


def has_fused_rule(node: onnx.NodeProto) -> bool:
    if is_default_domain(node):
        return node.op_type in OUTSIDE_ONNX
    is_known = node.op_type in _COUNTERPARTS or node.op_type in _LIKE_FIRST or node.op_type in _OWN_RULES
    return node.domain == _DOMAIN and is_known


def infer_fused_outputs(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto], infer: _Infer) -> dict[str, onnx.TypeProto]:
    """Return the types of the node's outputs, as far as they can be told.

    Args:
        node: one that has a rule.
        types: of everything it reads.
        infer: tells the types of a standard node's outputs.
    """
    shapes = {name: static_dims(types[name], {}) for name in node.input if name}
    if None in shapes.values():
        return {}
    known = {name: dims for name, dims in shapes.items() if dims is not None}
    if node.op_type in _COUNTERPARTS:
        dims = _like_counterpart(node, known, infer)
    elif node.op_type in _OWN_RULES:
        dims = _OWN_RULES[node.op_type](node, [known.get(name, ()) for name in node.input])
    else:
        dims = known[node.input[0]]
    if dims is None:
        return {}
    found = {node.output[0]: tensor_type(_element_type(node, types), dims)}
    if node.op_type == "EmbedLayerNormalization" and len(node.output) > 1 and node.output[1]:  # how many tokens are no padding
        found[node.output[1]] = tensor_type(onnx.TensorProto.INT32, dims[:1])
    if node.op_type.startswith("Skip") and len(node.output) > 3 and node.output[3]:  # the sum that was normalized
        found[node.output[3]] = found[node.output[0]]
    return found


def _like_counterpart(node: onnx.NodeProto, shapes: Mapping[str, Dims], infer: _Infer) -> Dims | None:
    counterpart = _COUNTERPARTS[node.op_type]
    data = [name for name in list(node.input)[: counterpart.num_inputs] if name]
    sizes = {name: shapes[name] for name in data}
    if counterpart.op_type == "MatMul":
        flags = {each.name: each.i for each in node.attribute}
        operands = (_turned(shapes[data[0]], flags, "A"), _turned(shapes[data[1]], flags, "B"))
        data = ["left", "right"]  # apart, for a product with itself has one of the two transposed
        sizes = dict(zip(data, operands))
    reals = {name: tensor_type(onnx.TensorProto.FLOAT, dims) for name, dims in sizes.items()}
    standard = onnx.NodeProto(op_type=counterpart.op_type, name=node.name, input=data, output=["result"])
    standard.attribute.extend(each for each in node.attribute if each.name in counterpart.attributes)
    return static_dims(infer(standard, reals).get("result"), {})


def _turned(dims: Dims, flags: Mapping[str, int], operand: str) -> Dims:
    """An operand as a plain product takes it: rows and columns exchanged, or the first axis moved before the last."""
    if flags.get(f"transBatch{operand}") and len(dims) > 2:
        dims = (*dims[1:-1], dims[0], dims[-1])
    return (*dims[:-2], dims[-1], dims[-2]) if flags.get(f"trans{operand}") and len(dims) > 1 else dims


def _attention(node: onnx.NodeProto, shapes: list[Dims]) -> Dims | None:
    """(batch, steps, values): one product gives queries, keys and values, equally wide where no list says otherwise."""
    sizes = next((list(each.ints) for each in node.attribute if each.name == "qkv_hidden_sizes"), [])
    if len(shapes[0]) != 3 or len(shapes[1]) != 2:
        return None
    return (*shapes[0][:2], sizes[2] if len(sizes) == 3 else shapes[1][1] // 3)


def _multi_head_attention(node: onnx.NodeProto, shapes: list[Dims]) -> Dims | None:
    """(batch, steps, values), where queries and values come apart."""
    is_apart = len(shapes) > 2 and len(shapes[0]) == 3 and len(shapes[2]) == 3
    return (*shapes[0][:2], shapes[2][2]) if is_apart else None


def _product_of_packed(node: onnx.NodeProto, shapes: list[Dims]) -> Dims | None:
    """A product with a matrix of few bits, whose columns the attribute N counts."""
    columns = next((each.i for each in node.attribute if each.name == "N"), 0)
    return (*shapes[0][:-1], columns) if columns > 0 else None


def _embedding(node: onnx.NodeProto, shapes: list[Dims]) -> Dims | None:
    """(batch, tokens, width) of ids and, third, the table of words."""
    return (*shapes[0], shapes[2][-1]) if len(shapes[2]) == 2 else None


_OWN_RULES: Mapping[str, Callable[[onnx.NodeProto, list[Dims]], Dims | None]] = {
    "Attention": _attention,
    "EmbedLayerNormalization": _embedding,
    "MatMulNBits": _product_of_packed,
    "MultiHeadAttention": _multi_head_attention,
    "QAttention": _attention,
}


def _element_type(node: onnx.NodeProto, types: Mapping[str, onnx.TypeProto]) -> int:
    """That of the first input, of an embedding its table's; a product of integers gives real numbers."""
    if node.op_type in ("MatMulIntegerToFloat", "QAttention"):
        return int(onnx.TensorProto.FLOAT)
    return int(types[node.input[2 if node.op_type == "EmbedLayerNormalization" else 0]].tensor_type.elem_type)
