"""Puts a step graph together: names are made once, types come from the operator table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.buffer import Place
from tinyfoa_rt.ir.graph import Attribute, Constant, Graph, Node
from tinyfoa_rt.ir.names import AGAIN, own
from tinyfoa_rt.ir.plan import Category
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.step import Phase, StepGraph, StepNode, StepTensor, TensorType
from tinyfoa_rt.ir.verify_step import verify_step
from tinyfoa_rt.operators import DOMAIN, operator
from tinyfoa_rt.steps.slice_updates import handed_to_updates

__all__ = ["StepBuilder", "stored_type"]


class StepBuilder:
    """A step graph under construction; :meth:`finish` freezes it."""

    def __init__(self, graph: Graph, profile: Profile, batch: int) -> None:
        self.graph = graph
        self.profile = profile
        self.batch = batch
        self.phase: Phase = "forward"
        self._nodes: list[StepNode] = []
        self._tensors: dict[str, StepTensor] = {}
        self._inputs: list[str] = []
        self._real_of: dict[str, str] = {}
        self._constants: dict[str, Constant] = {}

    def value_type(self, name: str) -> TensorType:
        """The type of a graph value at this step's batch."""
        value = self.graph.values[name]
        return TensorType(value.dtype, value.shape_at(self.batch))

    def type_of(self, name: str) -> TensorType:
        return self._tensors[name].type

    def has(self, name: str) -> bool:
        return name in self._tensors

    def tensor(
        self, name: str, tensor_type: TensorType, category: Category, *, place: Place = "ram", is_persistent: bool = False
    ) -> str:
        """Declare a tensor that no node computes, or one that a standard node computes; return its name."""
        self._tensors[name] = StepTensor(name, tensor_type, category, place, is_persistent)
        return name

    def mark_slice_dependent(self, *names: str) -> None:
        """Mark tensors whose size depends on which slice is active."""
        for name in names:
            self._tensors[name] = replace(self._tensors[name], depends_on_slice=True)

    def input(self, name: str, tensor_type: TensorType, category: Category = "activation") -> str:
        """Declare a tensor that is there when the step begins."""
        if name not in self._tensors:
            self.tensor(name, tensor_type, category)
            self._inputs.append(name)
        return name

    def constant(self, name: str) -> str:
        """Declare a constant of the model; it lies in nonvolatile memory where the profile has any.

        Integer constants are shapes and axes: they are part of the program, not data. On onnxruntime the real ones
        of a quantized model stay the integers that they are stored as.
        """
        if name not in self._constants:
            if name in self._tensors:
                raise UnsupportedError(f"constant '{name}'", "has the name of a trained tensor", "rename it in the model")
            self._constants[name] = self._given(name)
            kept = stored_type(self._constants[name], self.profile)
            self.tensor(name, kept, "weight", place=self.parameter_place, is_persistent=True)
        return name

    def structure(self, name: str) -> str:
        """Note a constant that is part of the program, such as a shape: it is no tensor of the step."""
        self._constants[name] = self._given(name)
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add a constant of whole numbers that is part of the program, such as axes; return its name."""
        array = np.array(values, dtype=np.int64)
        self._constants[name] = Constant(name, "int64", array.shape, lambda: array)
        return name

    def number(self, name: str, value: float) -> str:
        """Add a real constant without axes that is part of the program; return its name."""
        array = np.array(value, dtype=np.float32)
        self._constants[name] = Constant(name, "float32", (), lambda: array)
        return name

    def _given(self, name: str) -> Constant:
        """A constant of the model, or what depends on the number of samples, at this step's batch."""
        constant = self.graph.constant_at(name, self.batch)
        assert constant is not None, name
        return constant

    @property
    def parameter_place(self) -> Place:
        return "ram" if self.profile.nonvolatile_bytes == 0 else "nonvolatile"

    def call(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: Mapping[str, Attribute] | None = None,
        category: Category = "activation",
    ) -> tuple[str, ...]:
        """Add a domain operator; its outputs get their types from the table's shape rule."""
        row = operator(op_type)
        given = dict(attributes or {})
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        row.check(inputs, outputs, given)
        types = row.shape_rule([self._tensors[name].type if name else None for name in _padded(inputs, len(row.inputs))], given)
        for position, (name, tensor_type) in enumerate(zip(outputs, types)):
            source = row.memory.updates.get(position)
            if name:
                kept = self._tensors[inputs[source]] if source is not None and source < len(inputs) else None
                self._tensors[name] = (
                    replace(kept, name=name, type=tensor_type, place="ram") if kept else StepTensor(name, tensor_type, category)
                )
        self._add(op_type, DOMAIN, inputs, outputs, given)
        return tuple(outputs)

    def standard(
        self,
        op_type: str,
        inputs: Sequence[str],
        output: tuple[str, TensorType],
        attributes: Mapping[str, Attribute] | None = None,
        category: Category = "activation",
    ) -> str:
        """Add a standard operator with one output of a known type."""
        name, tensor_type = output
        self.tensor(name, tensor_type, category)
        self._add(op_type, "", inputs, (name,), attributes or {})
        return name

    def reshape(self, x: str, output: tuple[str, TensorType], category: Category = "activation") -> str:
        """Add a view of a tensor under another shape; return its name.

        The second size is left open: it is that of channels, and how many there are depends on the active slice.
        """
        name, tensor_type = output
        shape = list(tensor_type.shape)
        shape[1:2] = [-1] * len(shape[1:2])
        return self.standard("Reshape", (x, self.integers(own(name, "shape"), shape)), output, category=category)

    def copy_node(self, node: Node, inputs: Sequence[str], outputs: Sequence[str], role: str = "") -> None:
        """Add a node of the model as it is, or once more in a ``role``; outputs take the types of its values."""
        for name, value in zip(outputs, node.outputs):
            if name:
                self.tensor(name, self.value_type(value), "activation")
        self._nodes.append(
            StepNode(
                own(node.name, role) if role else node.name,
                *(node.op_type, node.domain, tuple(inputs), tuple(outputs), self.phase, node.attributes),
            )
        )

    def real(self, name: str, scale: str) -> str:
        """The real form of a binary tensor, unpacked once."""
        if name not in self._real_of:
            self._real_of[name] = self.call("BinaryToReal", (name, scale), (own(name, "real"),))[0]
        return self._real_of[name]

    def known_real(self, name: str) -> str:
        """The real form of a binary tensor where it has been unpacked, else the tensor itself."""
        return self._real_of.get(name, name)

    @property
    def num_nodes(self) -> int:
        return len(self._nodes)

    @property
    def nodes(self) -> Sequence[StepNode]:
        """The nodes so far."""
        return self._nodes

    def drop_last(self) -> None:
        """Take back the node that was added last, with what it computes: another one takes its place."""
        for name in self._nodes.pop().outputs:
            self._tensors.pop(name, None)

    def repeat(self, node: StepNode, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Add a node once more: it reads other tensors and computes copies of its outputs."""
        for copy, name in zip(outputs, node.outputs):
            if name:
                self._tensors[copy] = replace(self._tensors[name], name=copy)
        name = own(node.name, AGAIN)
        self._nodes.append(replace(node, name=name, inputs=tuple(inputs), outputs=tuple(outputs), phase=self.phase))

    def finish(self, name: str, outputs: Sequence[str], scores: str = "", first_update: int = 0) -> StepGraph:
        """Return the step; what the nodes from ``first_update`` on read of the others is handed out, since they run again."""
        values = self.graph.values
        of_value = {each.name: each.owner for each in self._tensors.values() if each.role in ("value", AGAIN)}
        growth = {name: values[value].growth for name, value in of_value.items() if value in values}
        nodes, inputs = tuple(self._nodes), tuple(self._inputs)
        given = self._tensors, inputs, tuple(outputs), self._constants, self.graph.opset, growth, scores, first_update
        graph = StepGraph(name, nodes, *given)
        if first_update:
            graph = replace(graph, outputs=tuple(dict.fromkeys((*outputs, *handed_to_updates(graph)))))
        verify_step(graph)
        return graph

    def _add(
        self, op_type: str, domain: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute]
    ) -> None:
        label = next(name for name in outputs if name)
        node = StepNode(own(label, op_type), op_type, domain, tuple(inputs), tuple(outputs), self.phase, attributes)
        self._nodes.append(node)


def stored_type(constant: Constant, profile: Profile) -> TensorType:
    """How a constant is stored: real ones of a quantized model stay integers on onnxruntime."""
    stored = constant.quantized.integers if constant.quantized and profile.runtime == "ort" else constant
    return TensorType(stored.dtype, stored.shape)


def _padded(inputs: Sequence[str], count: int) -> list[str]:
    return [*inputs, *[""] * (count - len(inputs))]
