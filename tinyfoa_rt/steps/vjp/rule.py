"""The signature of a rule."""

from __future__ import annotations

from collections.abc import Callable

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.steps.backward import BackwardPass

__all__ = ["VjpRule", "grad_name"]

VjpRule = Callable[[BackwardPass, Node, str], None]


def grad_name(node: Node, value: str) -> str:
    """The name of the gradient that a node contributes to a value."""
    return f"grad.{value}.{node.name}"
