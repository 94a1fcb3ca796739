"""A block's forward pass while it trains: scales and statistics follow what it computes; and further passes over the same nodes.

The first pass moves scales and running statistics; another one reads what they have become.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyfoa_rt.ir.block import Block
from tinyfoa_rt.ir.graph import Attribute, Node
from tinyfoa_rt.ir.names import own, scale_of, shift_of, statistics_of, successor
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.steps.block_context import BlockContext, StepChoice
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.forward import ForwardPass
from tinyfoa_rt.steps.parameters import LayerTensors
from tinyfoa_rt.steps.pooled_products import pool_product

__all__ = ["BlockPass"]


class BlockPass(ForwardPass):
    """Runs the layers of a block, whose ``tensors`` are declared, and what lies between them.

    Of the values ``dropped`` the small form is kept for gradients.
    """

    def __init__(
        self,
        builder: StepBuilder,
        context: BlockContext,
        choice: StepChoice,
        role: str = "",
        dropped: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(builder, context.recipe, dict(context.binary_values), role)
        self.context = context
        self.choice = choice
        self.dropped = dropped
        self.tensors: dict[str, LayerTensors] = {}

    def run(self, nodes: Sequence[Node]) -> None:
        """Run ``nodes`` in their order."""
        block = self.context.block
        computed = {name for node in nodes for name in node.outputs}
        binary = {part.output: part for part in self.context.binary_parts if part.output in computed}
        for part in binary.values():
            self.expect_bits(part)
        running = self.context.running
        layer_of = {node.name: layer for layer in block.layers for node in layer.nodes}
        for node in nodes:
            layer = layer_of.get(node.name)
            if layer is not None and node is layer.nodes[0]:
                self.run_layer(layer, self.tensors[layer.name], self.context.recipe_of(layer))
            elif node in running:
                self._normalize(node)
            elif layer is None and node.name not in self.absorbed:
                self._run_between(node)
            for output in (name for name in node.outputs if name in binary):
                self._binarize(output)

    def _run_between(self, node: Node) -> None:
        """Run a node between layers, and save what its gradient reads of a value that is not kept."""
        if not self.role and self.name(node.inputs[0]) in self.dropped and not self.choice.segments:
            places = pool_product(self.builder, node, keeps_places=True)
            if places is not None:
                self.compact[node.name] = places
                return
        self.run_node(node)
        self.save(node, self.dropped)

    def again(self, role: str, given: Mapping[str, str]) -> BlockPass:
        """Return another pass over the block, which :meth:`run_part` runs part by part.

        Args:
            role: tells its tensors from those of other passes.
            given: by values that enter the block, the tensors to read in their place.
        """
        other = BlockPass(self.builder, self.context, self.choice, role)
        other.renamed.update(given)
        other.tensors = self.tensors
        return other

    def run_part(self, part: Block) -> None:
        """Run one part of the block, behind all that it reads."""
        inside = {node.name for node in part.nodes}
        self.run([node for node in self.context.nodes if node.name in inside])

    def _normalize(self, node: Node) -> None:
        """Batch normalization behind a layer keeps running statistics and a shift that is trained."""
        builder, value = self.builder, node.outputs[0]
        if self.role:
            moved = (shift_of(value), *(successor(name) for name in statistics_of(value)))
            inputs = [self.real_input(node.inputs[0]), builder.constant(node.inputs[1]), *moved]
            builder.copy_node(node, inputs, [self.name(value)], self.role)
            return
        statistics = [
            builder.tensor(name, builder.value_type(value), "state", is_persistent=True)
            for name, value in zip(statistics_of(value), node.inputs[3:5])
        ]
        shift = builder.tensor(shift_of(value), builder.value_type(node.inputs[2]), "weight", is_persistent=True)
        inputs = [self.real_input(node.inputs[0]), builder.constant(node.inputs[1]), shift, *statistics]
        outputs = (self.name(value), *(successor(name) for name in statistics))
        momentum = self.recipe.statistics_momentum(node.float("momentum", 0.9), self.choice.batch)
        builder.call("RunningBatchNormalization", inputs, outputs, {"epsilon": node.float("epsilon", 1e-5), "momentum": momentum})

    def _binarize(self, output: str) -> None:
        scale, recipe = scale_of(output), self.recipe
        attributes: dict[str, Attribute] = {
            "momentum": recipe.scale_momentum(self.choice.batch),
            "window_floor": recipe.window_floor,
        }
        # What a head sees is scaled, and so is what the next layers read where the recipe hands on scales.
        is_scaled = output == self.context.block.output or recipe.block_output == "scaled"
        preactivation = self.become_bits(output, successor(scale) if is_scaled else "")
        name = self.name(output)
        if recipe.activation_bits > 1:
            self._take_levels(preactivation, scale, name)
            return
        if self.role:
            self.builder.call("BinaryActivation", (preactivation, successor(scale)), (name, "", own(name, "window")), attributes)
            return
        self.builder.tensor(scale, TensorType("float32", ()), "state", is_persistent=True)
        outputs = (name, successor(scale), own(name, "window"))
        self.builder.call("BinaryActivation", (preactivation, scale), outputs, attributes)

    def _take_levels(self, preactivation: str, scale: str, name: str) -> None:
        """Levels in steps of a scale that has followed the batch before: another pass takes those of the first one."""
        if not self.role:
            self.builder.tensor(scale, TensorType("float32", ()), "state", is_persistent=True)
            momentum = {"momentum": self.recipe.scale_momentum(self.choice.batch)}
            self.builder.call("FollowScale", (preactivation, scale), (successor(scale),), momentum)
        floor = {"window_floor": self.recipe.window_floor}
        self.builder.call("LevelActivation", (preactivation, successor(scale)), (name, own(name, "window")), floor)
