"""The gradient of a block: from its output back through the nodes it owns to its layers, and no further.

Where every node on the way keeps channels apart, only the channels of the active slice are computed (design, section 2:
"only the rows of the active slice").
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.graph import Attribute, Graph, Node
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators import standard_operator
from tinyfoa_rt.operators.vjp import VjpRule, refuse
from tinyfoa_rt.partition.layers import untrainable_products
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.forward import ForwardPass
from tinyfoa_rt.steps.recomputation import Recomputation

__all__ = ["BackwardPass", "ChannelSlice", "channel_slice", "vjp_rule"]


class ChannelSlice:
    """The channels ``[origin, origin + rows)`` out of ``channels``, along ``axis``, that gradients are computed for."""

    def __init__(self, rows: int, channels: int, axis: int, origin: str) -> None:
        self.rows = rows
        self.channels = channels
        self.axis = axis
        self.origin = origin

    def shape(self, full: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a gradient, given the shape of the value that it belongs to."""
        axis = self.axis % len(full)
        return (*full[:axis], full[axis] * self.rows // self.channels, *full[axis + 1 :])

    def channel_size(self, full: tuple[int, ...]) -> int:
        """How many elements a channel has along the axis: more than one where positions were flattened into it."""
        return full[self.axis % len(full)] // self.channels


class BackwardPass:
    """Gradients of values while the rules add nodes for them: a :class:`tinyfoa_rt.operators.vjp.GradientPass`."""

    def __init__(
        self,
        forward: ForwardPass,
        again: Recomputation,
        names: Mapping[str, str],
        reached: frozenset[str],
        part: ChannelSlice | None,
    ) -> None:
        self.builder = forward.builder
        self._compact = forward.compact
        self._again = again
        self.names = names
        self.reached = reached
        self.part = part
        self._gradient: dict[str, str] = {}

    @property
    def origin(self) -> str:
        """The tensor that says which channels are computed, or the empty string for all."""
        return self.part.origin if self.part else ""

    def saved(self, value: str) -> str:
        """The tensor of a value from the forward pass, or what is computed again in its place."""
        return self._again.saved(self.names.get(value, value))

    def compact(self, node: Node) -> str:
        """What was saved of a node in place of a whole value; the empty string where the value itself is there."""
        return self._compact.get(node.name, "")

    def grad_type(self, value: str) -> TensorType:
        """Type and shape of the gradient of a value."""
        full = self.builder.value_type(value)
        return TensorType("float32", self.part.shape(full.shape) if self.part else full.shape)

    def channel_size(self, value: str) -> dict[str, Attribute]:
        """The attribute that says how many columns of a value belong to a channel; none where it is one."""
        size = self.part.channel_size(self.builder.value_type(value).shape) if self.part else 1
        return {"channel_size": size} if size > 1 else {}

    def needs(self, value: str) -> bool:
        """Whether a gradient of this value leads to a layer."""
        return value in self.reached

    def of(self, value: str) -> str | None:
        """The gradient of a value, if there is one."""
        return self._gradient.get(value)

    def add(self, value: str, gradient: str) -> None:
        """Record a gradient of a value; a second one is added to the first."""
        known = self._gradient.get(value)
        if known is not None:
            sum_name = own(gradient, "sum")
            gradient = self.builder.standard("Add", (known, gradient), (sum_name, self.grad_type(value)), category="gradient")
        self._gradient[value] = gradient

    def replace(self, value: str, gradient: str) -> None:
        """Take another gradient for a value, which stands for all that were recorded."""
        self._gradient[value] = gradient


def channel_slice(context: BlockContext, slices: Slices, origin: str) -> ChannelSlice | None:
    """The part of the channels that the active slice needs, or ``None`` where all are needed."""
    layers = context.block.layers
    sizes = {(SliceGrid.of(layer, slices).outs, layer.kind == "dense") for layer in layers}
    if slices.m_out == 1 or len(sizes) != 1 or not origin:
        return None
    ((outs, is_dense),) = sizes
    rows, channels = SliceGrid.of(layers[0], slices).largest[1], outs[-1]
    if rows == channels:
        return None
    axis = -1 if is_dense else 1
    inside = {node.name for each in layers for node in each.nodes}
    on_the_way = [n for n in context.nodes if n.name not in inside and not context.reached.isdisjoint(n.inputs)]
    if not all(_keeps_channels(context.graph, node, axis) for node in on_the_way):
        return None
    return ChannelSlice(rows, channels, axis, origin)


def _keeps_channels(graph: Graph, node: Node, axis: int) -> bool:
    row = standard_operator(node.op_type, node.domain)
    return row is not None and row.keeps_channels(graph, node, axis)


def vjp_rule(graph: Graph, node: Node) -> VjpRule:
    """Return the rule by which a gradient passes a node.

    Raises:
        UnsupportedError: there is none; names the node and the operator, or why a product is no layer.
    """
    row = standard_operator(node.op_type, node.domain)
    if row is not None and row.vjp is not None:
        return row.vjp
    reason = untrainable_products(graph).get(node.name)
    if reason is not None:
        raise refuse(node.name, f"{reason}; but a trained block needs its gradient")
    operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    raise refuse(node.name, f"{operator} has no gradient rule, but a trained block needs one")
