"""What a row of the operator table holds.

A row is the one place that knows an operator's signature, its shape rule and its memory rule. What belongs to it elsewhere is
found by name: the function body in ``graphs/ops/<name>.onnxtxt``, the C99 kernel ``tfoa_<name>``, with the operator's
name in snake case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType

__all__ = ["DOMAIN", "Memory", "Operator", "Port", "ScratchRule", "ShapeRule", "no_scratch", "snake_case"]

DOMAIN = "tinyfoa"

Types = Sequence[TensorType | None]
ShapeRule = Callable[[Types, Mapping[str, Attribute]], tuple[TensorType, ...]]
ScratchRule = Callable[[Types], int]


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


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory rule of an operator. Keys are outputs, values the inputs whose storage they concern, by position.

    Attributes:
        reuses: may be written over the first of these inputs that dies here and is large enough.
        updates: is the new value of the input: always the same storage.
        views: is the same bytes under another shape: always the same storage, no work.
        streams: outputs that are consumed as they are computed where the target streams gradients, so they have no storage.
        scratch: bytes of working memory of the C kernel during the call.
    """

    reuses: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    updates: Mapping[int, int] = field(default_factory=dict)
    views: Mapping[int, int] = field(default_factory=dict)
    streams: frozenset[int] = frozenset()
    scratch: ScratchRule = no_scratch


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    shape_rule: ShapeRule
    doc: str
    memory: Memory = field(default_factory=Memory)
    attributes: tuple[str, ...] = ()

    @property
    def file_stem(self) -> str:
        """The name in snake case: ``BinaryDense`` is ``binary_dense``."""
        return snake_case(self.name)

    def check(self, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute]) -> None:
        """Assert that a call of ours matches the signature."""
        assert len(inputs) <= len(self.inputs), f"{self.name} takes {len(self.inputs)} inputs, not {len(inputs)}"
        for position, port in enumerate(self.inputs):
            given = position < len(inputs) and inputs[position]
            assert given or port.is_optional, f"{self.name} needs its input {port.name}"
        assert len(outputs) <= len(self.outputs), f"{self.name} has {len(self.outputs)} outputs, not {len(outputs)}"
        assert set(attributes) <= set(self.attributes), f"{self.name} has no attribute {set(attributes) - set(self.attributes)}"
