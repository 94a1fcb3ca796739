"""What the vector-Jacobian product rule of an operator is given, and what rules share.

A rule takes the backward pass, the node and the gradient of the node's first output, adds nodes, and records gradients for
those inputs that lead to a layer. The gradient has all channels, or those of the active slice, the first of which ``origin``
tells. In a flattened value a channel takes ``channel_size`` columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Attribute, Graph, Node
from tinyfoa_rt.ir.names import contribution
from tinyfoa_rt.ir.plan import Category
from tinyfoa_rt.ir.step import TensorType

__all__ = ["GradientBuilder", "GradientPass", "VjpRule", "add_gradient", "grad_name", "refuse"]


class GradientBuilder(Protocol):
    """A step under construction, as rules use it; ``graph`` is the model."""

    @property
    def graph(self) -> Graph: ...

    def has(self, name: str) -> bool:
        """Whether the step has a tensor of this name."""

    def constant(self, name: str) -> str:
        """Declare a constant of the model that holds real numbers; return its name."""

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add a constant of whole numbers that is part of the program, such as axes; return its name."""

    def reshape(self, x: str, output: tuple[str, TensorType], category: Category = "activation") -> str:
        """Add a view of a tensor under another shape; return its name."""

    def call(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: Mapping[str, Attribute] | None = None,
        category: Category = "activation",
    ) -> tuple[str, ...]:
        """Add a domain operator; return the names of its outputs, whose types its row tells."""

    def standard(
        self,
        op_type: str,
        inputs: Sequence[str],
        output: tuple[str, TensorType],
        attributes: Mapping[str, Attribute] | None = None,
        category: Category = "activation",
    ) -> str:
        """Add a standard operator with one output of a known type; return the output's name."""


class GradientPass(Protocol):
    """Gradients of values while the rules add nodes for them."""

    @property
    def builder(self) -> GradientBuilder: ...

    @property
    def origin(self) -> str:
        """The tensor that says which channels are computed, or the empty string for all."""

    def saved(self, value: str) -> str:
        """The tensor of a value from the forward pass."""

    def compact(self, node: Node) -> str:
        """What was saved of a node in place of a whole value; the empty string where the value itself is there."""

    def grad_type(self, value: str) -> TensorType:
        """Type and shape of the gradient of a value."""

    def channel_size(self, value: str) -> dict[str, Attribute]:
        """The attribute that says how many columns of a value belong to a channel; none where it is one."""

    def needs(self, value: str) -> bool:
        """Whether a gradient of this value leads to a layer."""

    def add(self, value: str, gradient: str) -> None:
        """Record a gradient of a value; a second one is added to the first."""


VjpRule = Callable[[GradientPass, Node, str], None]


def grad_name(node: Node, value: str, position: int = 0) -> str:
    """The name of the gradient that a node contributes to a value, which it reads at ``position``, 0 where it reads it once."""
    return contribution(value, node.name, position)


def add_gradient(
    backward: GradientPass, node: Node, op_type: str, inputs: Sequence[str], attributes: Mapping[str, Attribute]
) -> None:
    """Record the gradient of the node's first input that a domain operator gives."""
    x = node.inputs[0]
    backward.add(x, backward.builder.call(op_type, inputs, (grad_name(node, x),), attributes, "gradient")[0])


def refuse(node_name: str, problem: str) -> UnsupportedError:
    """The error for a node that cannot take part in training."""
    return UnsupportedError(
        f"node '{node_name}'", problem, "train only what is behind it, for example --train last:1 (what is before stays frozen)"
    )
