"""The packed form of a model: bits lie in rows of 32-bit words, as the C99 kernels read them.

A step or a stage is emitted in two forms. In one binary values take a byte an element, and bodies multiply them with
MatMulInteger; in the other they are uint32 words, and each operator that reads or writes bits has a packed
one beside it, ``Packed<Name>``. Where the library of kernels is registered (targets/ort/ops), it runs those; their bodies unpack,
calls the operator and packs again, so that the same model runs without the library too.

Rows of activations are samples, rows of weights are outputs, and of a stored head classes: bit i of a row is bit i % 32 of word
i / 32, and what is left of the last word is zero. Its attribute ``units`` says how many bits a row has. In the place of a
slice that is apart, ``w`` holds zeros. Where layers of a block read bits and others real numbers, those of the latter are
called ``Packed<Name>OfReals``, since one name has one body; the kernels are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
from onnx import TensorProto, helper

from tinyfoa_rt.emit.nodes import BATCH, ByteForm
from tinyfoa_rt.emit.packed_functions import packed_function
from tinyfoa_rt.emit.packed_steps import OF_REALS, join_steps
from tinyfoa_rt.ir.step import WORD_BITS, StepGraph, StepNode
from tinyfoa_rt.operators import DOMAIN

__all__ = ["ALWAYS", "PACKED_OPERATORS", "PackedForm", "can_pack"]

# Operators that have a packed one beside them.
PACKED_OPERATORS = frozenset(
    {"BinaryDense", "SignDense", "RealDense", "BinaryActivation", "BinaryToReal", "StraightThroughGrad", "HeadLogits"}
    | {"HeadGrad", "HeadWeightGrad", "DenseSliceGrad", "DenseSgdStep", "DenseSgdStepOnIntegers", "SignDenseInputGrad"}
    | {"PackSigns", "PackSignsOfIntegers"}
)
# Twins that stand for their operators even where x is real, so that they have a kernel.
ALWAYS = frozenset({"DenseSgdStep", "DenseSgdStepOnIntegers", "DenseSliceGrad"})


def can_pack(step: StepGraph) -> bool:
    """Whether the packed form can say what ``step`` does.

    There are no levels, all bits must be matrices, only operators that have a packed one may touch them, and all nodes of a
    packed operator must have the same inputs packed, since they share a body.
    """
    if any(tensor.type.dtype == "level" for tensor in step.tensors.values()):
        return False
    form = PackedForm(step)
    patterns: dict[str, tuple[bool, ...]] = {}
    for node in step.nodes:
        names = form.packed_names(node)
        if names and (node.domain != DOMAIN or node.op_type not in PACKED_OPERATORS):
            return False
        if any(len(step.tensors[name].type.shape) != 2 for name in names):
            return False
        pattern = tuple(name in names for name in (*node.inputs, *node.outputs))
        if form.has_packed_operator(node) and patterns.setdefault(form.packed_operator(node), pattern) != pattern:
            return False
    return True


class PackedForm(ByteForm):
    """Turns the nodes and tensors of one step or stage into their packed form."""

    def __init__(self, step: StepGraph) -> None:
        super().__init__(step)
        self._bits = {name for name, tensor in step.tensors.items() if tensor.type.dtype == "bit"}
        logits = [node for node in step.nodes if node.op_type == "HeadLogits" and node.inputs[0] in self._bits]
        heads = {node.inputs[2] for node in logits if len(node.inputs) > 2 and node.inputs[2]}
        self._bits |= {name for name in heads if step.tensors[name].type.dtype == "int8"}
        self._bodies: dict[str, onnx.FunctionProto] = {}
        self._of_bits = {node.op_type for node in step.nodes if self.packed_names(node)}

    def packed_names(self, node: StepNode) -> list[str]:
        """Which tensors of a node are packed."""
        return [name for name in (*node.inputs, *node.outputs) if name in self._bits]

    def has_packed_operator(self, node: StepNode) -> bool:
        """Whether the node's packed operator stands in its place."""
        return node.domain == DOMAIN and (node.op_type in ALWAYS or bool(self.packed_names(node)))

    def packed_operator(self, node: StepNode) -> str:
        """The name of the node's packed operator."""
        is_other = node.op_type in self._of_bits and not self.packed_names(node)
        return f"Packed{node.op_type}{OF_REALS if is_other else ''}"

    @property
    def packed(self) -> frozenset[str]:
        """The tensors whose bits are packed."""
        return frozenset(self._bits)

    def packed_shape(self, name: str) -> tuple[int, int]:
        """Rows and words a row of a packed tensor."""
        tensor = self.step.tensors[name]
        rows, units = tensor.type.shape[::-1] if tensor.category == "weight" else tensor.type.shape
        return rows, -(-units // WORD_BITS)

    def value_info(self, name: str, *, is_open: bool = False) -> onnx.ValueInfoProto:
        """Name, element type and shape of a tensor of the step, for its own batch or for any."""
        tensor = self.step.tensors[name]
        if name not in self._bits:
            return super().value_info(name, is_open=is_open)
        shape: list[int | str] = [*self.packed_shape(name)]
        if tensor.depends_on_slice:
            shape = [f"{name}.{axis}" for axis in ("rows", "words")]
        elif is_open and not tensor.is_persistent:
            shape[0] = BATCH
        return helper.make_tensor_value_info(name, TensorProto.UINT32, shape)

    def properties(self, names: Iterable[str]) -> dict[str, str]:
        """Metadata: how many bits a row of each packed activation has."""
        found = [self.step.tensors[name] for name in names if name in self._bits]
        return {f"bits.{each.name}": str(each.type.shape[1]) for each in found if each.category == "activation"}

    def node(self, node: StepNode, proto: onnx.NodeProto) -> onnx.NodeProto:
        """The packed operator of a node, where it has one; other nodes as in the other form."""
        if not self.has_packed_operator(node):
            return super().node(node, proto)
        name = self.packed_operator(node)
        if name not in self._bodies:
            packed = frozenset(self.packed_names(node))
            self._bodies[name] = packed_function(name, node, proto, packed, self.variants)
        packed_node = onnx.NodeProto()
        packed_node.CopyFrom(proto)
        packed_node.op_type = name
        units = self._units(node)
        if units is not None:
            packed_node.attribute.append(helper.make_attribute("units", units))
        return packed_node

    def finish(self, nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """Join gradients, steps and the signs of what they leave, so that the weights are walked through once."""
        return join_steps(self.step, nodes, self._bodies)

    def functions(self, nodes: Iterable[onnx.NodeProto]) -> list[onnx.FunctionProto]:
        """The bodies of a graph's nodes and of all that they call, callees first."""
        others = [node for node in nodes if node.op_type not in self._bodies]
        inside = [node for body in self._bodies.values() for node in body.node if node.op_type not in self._bodies]
        return [*super().functions([*others, *inside]), *self._bodies.values()]

    def _units(self, node: StepNode) -> int | None:
        """Bits in the rows that a node reads."""
        for name in node.inputs:
            if name in self._bits and not node.op_type.startswith("PackSigns"):
                tensor = self.step.tensors[name]
                return tensor.type.shape[0] if tensor.category == "weight" else tensor.type.shape[1]
        return None
