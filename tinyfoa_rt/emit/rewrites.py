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
    if not any(_is_meant(node, op_types) for node in function.node):
        return function
    found = onnx.FunctionProto()
    found.CopyFrom(function)
    del found.node[:]
    for node in function.node:
        if _is_meant(node, op_types):
            words = _Words(node, function)
            REWRITERS[node.op_type](words)
            found.node.extend(words.nodes)
        else:
            found.node.append(node)
    return found


def _is_meant(node: onnx.NodeProto, op_types: Collection[str]) -> bool:
    return node.domain == "" and node.op_type in op_types


class _Words:
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
        """Whether ``name`` is a constant of type uint8; other values in bodies that are chosen or negated are float32."""
        for node in self._function.node:
            if node.op_type == "Constant" and node.output[0] == name and node.attribute[0].name == "value":
                return bool(node.attribute[0].t.data_type == TensorProto.UINT8)
        return False


def _where(words: _Words) -> None:
    """Add condition * a and (1 - condition) * b: one of both is 0."""
    condition, first, second = words.inputs
    is_byte = words.is_byte(first)
    chosen = words.cast(condition)
    other = words.add("Sub", [words.number(1), chosen])
    terms = [
        words.add("Mul", [factor, words.cast(value) if is_byte else value])
        for factor, value in ((chosen, first), (other, second))
    ]
    total = words.add("Add", terms, "" if is_byte else words.last)
    if is_byte:
        words.cast(total, words.last, to=TensorProto.UINT8)


def _and(words: _Words) -> None:
    product = words.add("Mul", [words.cast(name) for name in words.inputs])
    words.cast(product, words.last, to=TensorProto.BOOL)


def _mat_mul_integer(words: _Words) -> None:
    left, right, *zero = words.inputs
    factor = words.cast(left)
    if zero:
        factor = words.add("Sub", [factor, words.cast(zero[0])])
    product = words.add("MatMul", [factor, words.cast(right)])
    words.cast(product, words.last, to=TensorProto.INT32)


def _reduce_l1(words: _Words) -> None:
    magnitudes = words.add("Abs", words.inputs[:1])
    words.add("ReduceSum", [magnitudes, *words.inputs[1:]], words.last, keepdims=int(words.attribute("keepdims", 1)))


def _log_softmax(words: _Words) -> None:
    shares = words.add("Softmax", words.inputs, axis=int(words.attribute("axis", -1)))
    words.add("Log", [words.add("Clip", [shares, words.number(_TINY)])], words.last)


def _flatten(words: _Words) -> None:
    assert words.attribute("axis", 1) == 1, "bodies flatten samples"
    shape = f"{words.last}.shape"
    words.nodes.append(helper.make_node("Constant", [], [shape], value_ints=[0, -1]))
    words.add("Reshape", [*words.inputs, shape], words.last)


def _neg(words: _Words) -> None:
    words.add("Mul", [*words.inputs, words.number(-1)], words.last)


def _gemm(words: _Words) -> None:
    assert words.attribute("alpha", 1) == words.attribute("beta", 1) == 1, "bodies scale apart"
    left, right, *rest = words.inputs
    if words.attribute("transA", 0):
        left = words.add("Transpose", [left])
    if words.attribute("transB", 0):
        right = words.add("Transpose", [right])
    product = words.add("MatMul", [left, right], "" if rest else words.last)
    if rest:
        words.add("Add", [product, rest[0]], words.last)


# By operator; tinyfoa_rt.providers.REWRITES says which operators each of them leaves.
REWRITERS: Mapping[str, Callable[[_Words], None]] = {
    "Where": _where,
    "And": _and,
    "MatMulInteger": _mat_mul_integer,
    "ReduceL1": _reduce_l1,
    "LogSoftmax": _log_softmax,
    "Flatten": _flatten,
    "Neg": _neg,
    "Gemm": _gemm,
}
