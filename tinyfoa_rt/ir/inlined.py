"""A model as onnxruntime runs it: standard operators alone, in their order, after every function has been inlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["InlinedGraph", "InlinedNode"]


@dataclass(frozen=True, slots=True)
class InlinedNode:
    """A node. ``source`` names the node of the emitted model that it comes from.

    Attributes are numbers, text, tuples of them, and numpy arrays.
    """

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    source: str


@dataclass(frozen=True, slots=True)
class InlinedGraph:
    """Nodes in order of execution; constants are numpy arrays."""

    nodes: Sequence[InlinedNode]
    constants: Mapping[str, Any]
    inputs: Sequence[str]
    outputs: Sequence[str]
