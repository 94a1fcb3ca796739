"""The signature of a rule."""

from __future__ import annotations

from collections.abc import Callable

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.ir.names import contribution
from tinyfoa_rt.steps.backward import BackwardPass

__all__ = ["VjpRule", "grad_name"]

VjpRule = Callable[[BackwardPass, Node, str], None]


def grad_name(node: Node, value: str, position: int = 0) -> str:
    """The name of the gradient that a node contributes to a value, which it reads at ``position``, 0 where it reads it once."""
    return contribution(value, node.name, position)
