"""What a row of the operator table holds.

A row is the one place that knows what an operator is: its signature, shape rule, memory rule and scratch, how its gradient is
taken, and how it becomes calls of C99 kernels. Its function body stands in ``graphs/ops/<name>.onnxtxt``, with the operator's
name in snake case, and its kernel in ``targets/c99/kernels``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyfoa_rt.ir.c_program import KernelFiles
from tinyfoa_rt.ir.graph import Attribute, Graph, Node
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.lowering import LowerRule
from tinyfoa_rt.operators.vjp import GradientBuilder, VjpRule

__all__ = [
    "DOMAIN", "EITHER_IN_PLACE", "IN_PLACE",
    "ChannelRule", "CompactForm", "Memory", "Operator", "Port", "ScratchRule", "ShapeRule", "StandardOperator", "Types",
    "never", "no_scratch", "snake_case",
]  # fmt: skip

DOMAIN = "tinyfoa"

Types = Sequence[TensorType | None]
ShapeRule = Callable[[Types, Mapping[str, Attribute]], tuple[TensorType, ...]]
ScratchRule = Callable[[Types], int]
# Whether the node keeps channels along an axis apart.
ChannelRule = Callable[[Graph, Node, int], bool]


@dataclass(frozen=True, slots=True)
class Port:
    """A formal input or output."""

    name: str
    is_optional: bool = False


def snake_case(name: str) -> str:
    """``BinaryDense`` is ``binary_dense``, ``LRNGrad`` is ``lrn_grad``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def no_scratch(inputs: Types) -> int:
    """The operator needs no memory beside its inputs and outputs."""
    return 0


def never(graph: Graph, node: Node, axis: int) -> bool:
    """The operator mixes channels, or nobody has said that it does not."""
    return False


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory rule of an operator. Keys are outputs, values the inputs whose storage they concern, by position.

    Attributes:
        reuses: may be written over the first of these inputs that dies here and is large enough.
        updates: is the new value of the input: always the same storage.
        views: is the same bytes under another shape: always the same storage, no work.
        streams: outputs that are consumed as they are computed where the profile streams gradients, so they have no storage.
    """

    reuses: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    updates: Mapping[int, int] = field(default_factory=dict)
    views: Mapping[int, int] = field(default_factory=dict)
    streams: frozenset[int] = frozenset()


# Element by element: the result may be written over the input; of two inputs over the first, and over the second where both are
# alike.
IN_PLACE = Memory(reuses={0: (0,)})
EITHER_IN_PLACE = Memory(reuses={0: (0, 1)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator of the domain ``tinyfoa``.

    Attributes:
        name: in the domain.
        inputs: formal ones.
        outputs: formal ones.
        shape_rule: gives the types of all outputs from those of the inputs (``None`` where absent) and the attributes.
        scratch: bytes of working memory of the C kernel during the call; ``no_scratch`` where it needs none. What the function
            body holds on onnxruntime is counted node by node in tinyfoa_rt/allocation.
        doc: one sentence.
        memory: which outputs share the storage of which inputs.
        attributes: the names of all that a call may have.
        lower: makes the calls of C kernels; ``None`` where generated C has no kernel.
        body: the file of its function body, or its text; ``graphs/ops/<name>.onnxtxt`` where it is left out.
        kernel: the files of the kernels that ``lower`` calls; those in targets/c99 where it is left out.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    shape_rule: ShapeRule
    scratch: ScratchRule
    doc: str
    memory: Memory = field(default_factory=Memory)
    attributes: tuple[str, ...] = ()
    lower: LowerRule | None = None
    body: Path | str | None = None
    kernel: KernelFiles | None = None

    @property
    def domain(self) -> str:
        return DOMAIN

    def check(self, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute]) -> None:
        """Assert that a call of ours matches the signature."""
        assert len(inputs) <= len(self.inputs), f"{self.name} takes {len(self.inputs)} inputs, not {len(inputs)}"
        for position, port in enumerate(self.inputs):
            given = position < len(inputs) and inputs[position]
            assert given or port.is_optional, f"{self.name} needs its input {port.name}"
        assert len(outputs) <= len(self.outputs), f"{self.name} has {len(self.outputs)} outputs, not {len(outputs)}"
        assert set(attributes) <= set(self.attributes), f"{self.name} has no attribute {set(attributes) - set(self.attributes)}"


@dataclass(frozen=True, slots=True)
class CompactForm:
    """How a gradient does without a value that the forward pass would have to keep for it.

    Attributes:
        gradient: the operator that reads the whole value.
        keeps_input: the value is the operator's input, else its output.
        save: adds the small form of the value, which is given with the tensor that holds it, to the forward pass; returns the
            tensor, or the empty string where there is none.
    """

    gradient: str
    keeps_input: bool
    save: Callable[[GradientBuilder, Node, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardOperator:
    """An operator that models contain: one of ONNX's own, or of another domain.

    Attributes:
        name: the operator's type in the model.
        domain: its domain in the model; empty for ONNX's own.
        memory: which outputs may share the storage of which inputs; nothing by default.
        scratch: bytes of working memory of the C kernel during the call.
        vjp: adds the gradient; ``None`` where a block that is trained cannot hold the operator behind its layers.
        lower: makes the calls of C kernels; ``None`` where generated C has no kernel.
        compact: a smaller form of what the gradient reads, if there is one; the rule asks the pass for it.
        keeps_channels: whether the gradient can be taken for the channels of the active slice alone.
        is_mean: whether it gives the mean of positions.
        is_never_negative: whether its result says nothing by its sign.
        moves: whether it gives the elements of its first input, in another order or shape.
        shape_rule: gives the types of all outputs, of an operator that is not ONNX's own; where it is left out, the model must
            declare them.
        body: the file or the text of a function body of its name and domain, where onnxruntime does not know the operator.
        kernel: the files of the kernels that ``lower`` calls; those in targets/c99 where it is left out.
    """

    name: str
    domain: str = ""
    memory: Memory = field(default_factory=Memory)
    scratch: ScratchRule = no_scratch
    vjp: VjpRule | None = None
    lower: LowerRule | None = None
    compact: CompactForm | None = None
    keeps_channels: ChannelRule = never
    is_mean: bool = False
    is_never_negative: bool = False
    moves: bool = False
    shape_rule: ShapeRule | None = None
    body: Path | str | None = None
    kernel: KernelFiles | None = None
