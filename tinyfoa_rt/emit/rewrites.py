"""Function bodies in other words: operators that an execution provider does not take, said in some that it does.

Values are the same: to the bit, but for Gemm, ReduceL1 and LogSoftmax, whose sums may round in another order. MatMulInteger
becomes a product in float32, which is exact up to 2^24: 65,793 inputs of a byte. LogSoftmax ends at the logarithm of the smallest
float32, -87.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import onnx
from onnx import TensorProto, helper

__all__ = ["REWRITERS", "rewrite_function"]

_TINY = 1.1754943508222875e-38  # the smallest normal float32
_FLOAT = TensorProto.FLOAT


def rewrite_function(function: onnx.FunctionProto, op_types: Collection[str]) -> onnx.FunctionProto:
    """Return a body in which standard operators ``op_types`` are said in other words; one without them as it is."""
    if not op_types or not any(_is_meant(node, op_types) for node in function.node):
        return function
    found = onnx.FunctionProto()
    found.CopyFrom(function)
    del found.node[:]
    for node in function.node:
        if _is_meant(node, op_types):
            rewriting = _Rewriting(node, function)
            REWRITERS[node.op_type](rewriting)
            found.node.extend(rewriting.nodes)
        else:
            found.node.append(node)
    return found


def _is_meant(node: onnx.NodeProto, op_types: Collection[str]) -> bool:
    return node.domain == "" and node.op_type in op_types


class _Rewriting:
    """The nodes that stand for one."""

    def __init__(self, node: onnx.NodeProto, function: onnx.FunctionProto) -> None:
        self._node = node
        self._function = function
        self.nodes: list[onnx.NodeProto] = []

    @property
    def inputs(self) -> list[str]:
        return list(self._node.input)

    @property
    def last(self) -> str:
        """Name of the result."""
        return str(self._node.output[0])

    def attribute(self, name: str, otherwise: float) -> float:
        """A number among the node's attributes."""
        values = [helper.get_attribute_value(each) for each in self._node.attribute if each.name == name]
        return values[0] if values else otherwise

    def add(self, op_type: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output, which is made up unless given."""
        output = output or f"{self.last}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def cast(self, name: str, output: str = "", *, to: int = _FLOAT) -> str:
        return self.add("Cast", [name], output, to=to)

    def number(self, value: float) -> str:
        """A float32 constant."""
        output = f"{self.last}.{len(self.nodes)}"
        tensor = helper.make_tensor(output, _FLOAT, [], [value])
        self.nodes.append(helper.make_node("Constant", [], [output], value=tensor))
        return output

    def is_byte(self, name: str) -> bool:
        """Whether ``name`` is a constant of type uint8, or chosen from such; what else is chosen or negated is float32."""
        for node in self._function.node:
            if node.output[0] != name:
                continue
            if node.op_type == "Where":
                return self.is_byte(node.input[1])
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                return bool(node.attribute[0].t.data_type == TensorProto.UINT8)
        return False


def _where(rewriting: _Rewriting) -> None:
    """Add condition * a and (1 - condition) * b: one of both is 0."""
    condition, first, second = rewriting.inputs
    is_byte = rewriting.is_byte(first)
    chosen = rewriting.cast(condition)
    other = rewriting.add("Sub", [rewriting.number(1), chosen])
    terms = [
        rewriting.add("Mul", [factor, rewriting.cast(value) if is_byte else value])
        for factor, value in ((chosen, first), (other, second))
    ]
    total = rewriting.add("Add", terms, "" if is_byte else rewriting.last)
    if is_byte:
        rewriting.cast(total, rewriting.last, to=TensorProto.UINT8)


def _and(rewriting: _Rewriting) -> None:
    product = rewriting.add("Mul", [rewriting.cast(name) for name in rewriting.inputs])
    rewriting.cast(product, rewriting.last, to=TensorProto.BOOL)


def _mat_mul_integer(rewriting: _Rewriting) -> None:
    left, right, *zero = rewriting.inputs
    factor = rewriting.cast(left)
    if zero:
        factor = rewriting.add("Sub", [factor, rewriting.cast(zero[0])])
    product = rewriting.add("MatMul", [factor, rewriting.cast(right)])
    rewriting.cast(product, rewriting.last, to=TensorProto.INT32)


def _reduce_l1(rewriting: _Rewriting) -> None:
    magnitudes = rewriting.add("Abs", rewriting.inputs[:1])
    rewriting.add(
        "ReduceSum", [magnitudes, *rewriting.inputs[1:]], rewriting.last, keepdims=int(rewriting.attribute("keepdims", 1))
    )


def _log_softmax(rewriting: _Rewriting) -> None:
    shares = rewriting.add("Softmax", rewriting.inputs, axis=int(rewriting.attribute("axis", -1)))
    rewriting.add("Log", [rewriting.add("Clip", [shares, rewriting.number(_TINY)])], rewriting.last)


def _flatten(rewriting: _Rewriting) -> None:
    assert rewriting.attribute("axis", 1) == 1, "bodies flatten samples"
    shape = f"{rewriting.last}.shape"
    rewriting.nodes.append(helper.make_node("Constant", [], [shape], value_ints=[0, -1]))
    rewriting.add("Reshape", [*rewriting.inputs, shape], rewriting.last)


def _neg(rewriting: _Rewriting) -> None:
    rewriting.add("Mul", [*rewriting.inputs, rewriting.number(-1)], rewriting.last)


def _gemm(rewriting: _Rewriting) -> None:
    assert rewriting.attribute("alpha", 1) == rewriting.attribute("beta", 1) == 1, "bodies scale apart"
    left, right, *rest = rewriting.inputs
    if rewriting.attribute("transA", 0):
        left = rewriting.add("Transpose", [left])
    if rewriting.attribute("transB", 0):
        right = rewriting.add("Transpose", [right])
    product = rewriting.add("MatMul", [left, right], "" if rest else rewriting.last)
    if rest:
        rewriting.add("Add", [product, rest[0]], rewriting.last)


# By operator; tinyfoa_rt.providers.REWRITES says which operators each of them leaves.
REWRITERS: Mapping[str, Callable[[_Rewriting], None]] = {
    "Where": _where,
    "And": _and,
    "MatMulInteger": _mat_mul_integer,
    "ReduceL1": _reduce_l1,
    "LogSoftmax": _log_softmax,
    "Flatten": _flatten,
    "Neg": _neg,
    "Gemm": _gemm,
}
