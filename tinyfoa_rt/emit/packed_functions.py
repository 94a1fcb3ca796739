"""Function bodies of packed operators: unpack what is packed, call the operator, pack what it leaves."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import helper

from tinyfoa_rt.emit.bodies import load_functions
from tinyfoa_rt.ir.step import StepNode
from tinyfoa_rt.operators import DOMAIN

__all__ = ["domain_function", "handed_on", "packed_function"]

# How the body of a packed operator reads an input, by its port; activations are bits as they are.
_UNPACKING: Mapping[str, str] = {"w": "UnpackSigns", "w_slice": "UnpackSlice", "head": "UnpackHead"}


def packed_function(
    name: str, node: StepNode, proto: onnx.NodeProto, packed: frozenset[str], variants: frozenset[str]
) -> onnx.FunctionProto:
    """Return the body of a node's packed operator.

    Args:
        name: of the packed operator.
        node: of the step.
        proto: the same as an ONNX node, with all the inputs that its operator's body reads.
        packed: which of the node's tensors are packed.
        variants: of the operator's body.
    """
    inner = load_functions([node.op_type], variants=variants)[-1]  # callees come first
    body = _PackedBody(node.op_type)
    ports = dict(zip(inner.input, [*proto.input, *[""] * len(inner.input)]))
    inputs = [body.unpack(port) if name in packed else (port if name else "") for port, name in ports.items()]
    outputs = [body.pack(port) if name in packed else port for port, name in zip(inner.output, node.outputs)]
    call = helper.make_node(node.op_type, inputs, outputs, domain=DOMAIN)
    call.attribute.extend(handed_on(each) for each in inner.attribute_proto)
    results = list(inner.output)[: len(node.outputs)]
    function = domain_function(name, list(inner.input), results, [*body.before, call, *body.after])
    function.attribute_proto.extend([*inner.attribute_proto, helper.make_attribute("units", 0)])
    return function


def domain_function(name: str, inputs: list[str], outputs: list[str], nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    """A function of the domain, as yet without attributes."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_function(DOMAIN, name, inputs, outputs, nodes, opsets)


def handed_on(attribute: onnx.AttributeProto) -> onnx.AttributeProto:
    """The function's attribute handed on to a node inside."""
    return onnx.AttributeProto(name=attribute.name, type=attribute.type, ref_attr_name=attribute.name)


class _PackedBody:
    """The nodes before and after the call in a packed operator's body."""

    def __init__(self, op_type: str) -> None:
        self._op_type = op_type
        self.before: list[onnx.NodeProto] = []
        self.after: list[onnx.NodeProto] = []

    def unpack(self, port: str) -> str:
        """Unpack the input ``port``; return the name of what it holds."""
        if self._op_type.startswith("PackSigns"):
            return ""  # the old signs: nothing reads them
        function = _UNPACKING.get(port, "UnpackBits")
        if port == "w_slice":
            parts = ["slice_first_in", "slice_first_out", "slice_ins", "slice_outs"]
            self.before.append(helper.make_node("SplitPart", ["origin"], parts, domain=DOMAIN))
            size = parts[2]
        else:
            size = "num_bits"
            if not any(size in node.output for node in self.before):
                units = helper.make_node("Constant", [], ["bits_in_a_row"])
                units.attribute.append(onnx.AttributeProto(name="value_int", type=onnx.AttributeProto.INT, ref_attr_name="units"))
                shape = helper.make_node("Constant", [], ["one_number"], value_ints=[1])
                self.before += [units, shape, helper.make_node("Reshape", ["bits_in_a_row", "one_number"], [size])]
        self.before.append(helper.make_node(function, [port, size], [f"{port}_unpacked"], domain=DOMAIN))
        return f"{port}_unpacked"

    def pack(self, port: str) -> str:
        """Pack what the call leaves under the name that is returned into the output ``port``."""
        function = "PackSignRows" if self._op_type.startswith("PackSigns") else "PackBits"
        self.after.append(helper.make_node(function, [f"{port}_unpacked"], [port], domain=DOMAIN))
        return f"{port}_unpacked"
