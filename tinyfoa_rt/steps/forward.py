"""The forward pass of a block, and of everything before a block: what both training and prediction run.

A trained layer becomes a product of its precision, a BatchNormalization keeps running statistics where it is trained, and every
other node runs as it is. A trailing Relu is absorbed by the binary activation: h = s * 1[z > 0] is the same for z and relu(z).
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

from tinyfoa_rt.ir.block import Block, Layer, Partition
from tinyfoa_rt.ir.graph import Attribute, Graph, Node
from tinyfoa_rt.ir.names import own, scale_of, shift_of, statistics_of
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import StepGraph, TensorType
from tinyfoa_rt.operators import DOMAIN, standard_operator
from tinyfoa_rt.operators.geometry import explicit_window
from tinyfoa_rt.operators.local import LOCAL_ATTRIBUTES
from tinyfoa_rt.steps.block_context import binary_parts, recipe_of_layer
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.parameters import LayerTensors, declare_read_only
from tinyfoa_rt.steps.pooled_products import pool_product
from tinyfoa_rt.steps.training_nodes import absorbed_relu, running_statistics

__all__ = ["ForwardPass", "assemble_forward", "run_all", "run_blocks", "window_attributes"]

# What is not trained runs in the model's own precision.
_FROZEN = Recipe(binarize="none")
# By the kind of a layer and the precision of its product.
_PRODUCTS = {
    "dense": {"real": "RealDense", "sign": "SignDense", "binary": "BinaryDense"},
    "conv": {"real": "RealConv", "sign": "SignConv", "binary": "BinaryConv"},
    "local": {"real": "RealLocallyConnected", "sign": "SignLocallyConnected", "binary": "BinaryLocallyConnected"},
}


class ForwardPass:
    """Adds forward nodes to a builder.

    ``role`` tells the tensors of another pass over the same nodes from those of the first. ``binary`` maps the values that are
    bits to their scales, or to nothing where they have none; ``renamed`` maps a value to the tensor that stands for it while its
    part of a block is computed; ``preactivations`` maps what has become bits to what these are the signs of, and ``absorbed``
    names the nodes that are left out for them. ``compact`` has by nodes what is saved of them for the gradient in place of a
    whole value.
    """

    def __init__(self, builder: StepBuilder, recipe: Recipe, binary: dict[str, str], role: str = "") -> None:
        self.builder = builder
        self.role = role
        self.recipe = recipe
        self.binary = binary
        self.renamed: dict[str, str] = {}
        self.preactivations: dict[str, str] = {}
        self.absorbed: set[str] = set()
        self.compact: dict[str, str] = {}

    def name(self, value: str) -> str:
        return self.renamed.get(value) or (own(value, self.role) if self.role else value)

    def run_node(self, node: Node) -> None:
        """Run a node of the model as it is, on real inputs."""
        inputs = [self.real_input(value) or self._signs(node, value) or self._structure(value) for value in node.inputs]
        self.builder.copy_node(node, inputs, [self.name(value) for value in node.outputs], self.role)

    def save(self, node: Node, dropped: Container[str]) -> None:
        """Save the small form of what a node's gradient reads, where the value is among those that are not kept."""
        row = standard_operator(node.op_type, node.domain)
        if row is not None and row.compact is not None:
            value = node.inputs[0] if row.compact.keeps_input else node.outputs[0]
            tensor = self.name(value)
            if tensor in dropped:
                self.compact[node.name] = row.compact.save(self.builder, node, tensor)

    def normalize(self, node: Node) -> None:
        """Run a batch normalization by the shift and the statistics that training has left, and that lie where parameters lie."""
        builder = self.builder
        trained = [
            builder.tensor(name, builder.value_type(value), "weight", place=builder.parameter_place, is_persistent=True)
            for name, value in zip((shift_of(node.outputs[0]), *statistics_of(node.outputs[0])), node.inputs[2:5])
        ]
        inputs = [self.real_input(node.inputs[0]), builder.constant(node.inputs[1]), *trained]
        builder.copy_node(node, inputs, [self.name(value) for value in node.outputs])

    def real_input(self, value: str) -> str:
        """The tensor to read for a graph value, unpacked if it is binary; the empty string for structure and absent inputs."""
        graph = self.builder.graph
        if value in self.renamed:
            return self.renamed[value]
        given = graph.constant_at(value, self.builder.batch)
        if not value or (given is not None and not given.is_real):
            return ""
        if given is not None:
            return self.builder.constant(value)
        return self.real_output(value)

    def real_output(self, value: str) -> str:
        """The tensor to read for a block's output h, unpacked if it is binary: {0, s} with its scale."""
        name = self.name(value)
        return self.builder.real(name, self.binary[value]) if value in self.binary else name

    def _signs(self, node: Node, value: str) -> str:
        """Signs that a frozen product of a model that was trained here reads; the empty string for anything else."""
        graph = self.builder.graph
        are_signs = node.domain == DOMAIN and graph.is_constant(value) and graph.values[value].dtype == "int8"
        return self.builder.constant(value) if are_signs else ""

    def _structure(self, value: str) -> str:
        """The name of a constant that is part of the program, such as a shape; the empty string for an absent input."""
        return self.builder.structure(value) if value and self.builder.graph.constant_at(value, 1) is not None else ""

    def reads_bits(self, layer: Layer, recipe: Recipe) -> bool:
        """Whether a layer multiplies bits as they are: binary weights do; real ones of a dense layer if bits have no scale."""
        if layer.input not in self.binary:
            return False
        return recipe.binarize == "both" or (layer.kind == "dense" and not self.binary[layer.input])

    def run_layer(self, layer: Layer, tensors: LayerTensors, recipe: Recipe) -> None:
        """Run a trained layer's product, or add its biases where they alone are trained."""
        output = self.name(layer.output)
        if layer.kind == "bias":
            shape = _shape_of_biases(layer, self.builder.graph.shape(layer.output)[1:])
            self.builder.call("AddBias", (self.real_input(layer.input), tensors.w), (output,), {"bias_shape": shape})
            return
        is_bit_input = self.reads_bits(layer, recipe)
        x = self.name(layer.input) if is_bit_input else self.real_input(layer.input)
        precision = "real" if recipe.binarize == "none" else "binary" if is_bit_input else "sign"
        inputs = (
            *(x, tensors.w, tensors.bias, tensors.w_slice, tensors.bias_slice, tensors.origin),
            *(tensors.abs_sum, tensors.abs_sum_slice, self.binary[layer.input] if is_bit_input else ""),
        )
        attributes = {**window_attributes(self.builder.graph, layer), "alpha": self.recipe.weight_scale}
        self.builder.call(_PRODUCTS[layer.kind][precision], inputs, (output,), attributes)
        shape = self.builder.type_of(output).shape
        expected = self.builder.value_type(layer.output).shape
        assert shape == expected, f"{layer.name}: shape rule gives {shape}, the model {expected}"

    def expect_bits(self, part: Block) -> None:
        """Compute a part's output in its real form, without the Relu that its bits make superfluous."""
        relu = absorbed_relu(self.builder.graph, part)
        self.renamed[part.output] = own(self.name(part.output), "preactivation")
        if relu is not None:
            self.absorbed.add(relu.name)
            self.renamed[relu.outputs[0]] = self.name(relu.inputs[0])

    def become_bits(self, output: str, scale: str) -> str:
        """From here on the output of a part is bits with this scale; return what they are the signs of."""
        self.preactivations[output] = self.renamed.pop(output)
        self.binary[output] = scale
        return self.preactivations[output]


def window_attributes(graph: Graph, layer: Layer) -> Mapping[str, Attribute]:
    """The attributes of a layer's window; a convolution's are all given."""
    if layer.kind == "dense":
        return {}
    node = layer.nodes[0]
    if layer.kind == "local":
        return {name: value for name, value in node.attributes.items() if name in LOCAL_ATTRIBUTES}
    known: dict[str, Attribute] = {**node.attributes, "kernel_shape": graph.shape(layer.weight)[2:]}
    return {**explicit_window(graph.shape(layer.input)[2:], known), "group": layer.groups}


def _shape_of_biases(layer: Layer, sample: tuple[int, ...]) -> tuple[int, ...]:
    """How biases lie beside a sample of the output: one a channel, one an element, or one an element of the last axis."""
    if layer.positions > 1:
        return (layer.out_features, *(1 for _ in sample[1:]))
    return sample if math.prod(sample) == layer.out_features else (layer.out_features,)


def assemble_forward(
    graph: Graph, parts: Partition, trained: Mapping[str, Recipe], profile: Profile, batch: int
) -> tuple[StepGraph, Mapping[str, int]]:
    """Assemble the forward pass of the whole model.

    Args:
        graph: the model.
        parts: its blocks.
        trained: the recipe of each trained block, by name; the others run in the model's own precision.
        profile: where it runs.
        batch: samples at once.

    Returns:
        The step graph, and for each block's name the step at which its forward pass begins.
    """
    builder = StepBuilder(graph, profile, batch)
    forward, starts = run_blocks(builder, parts, trained)
    for name in filter(graph.is_constant, graph.outputs):
        builder.structure(name)
    run_all(ForwardPass(builder, _FROZEN, forward.binary), parts.behind)
    return builder.finish("forward", graph.outputs), starts


def run_blocks(
    builder: StepBuilder, parts: Partition, trained: Mapping[str, Recipe], to: str = ""
) -> tuple[ForwardPass, Mapping[str, int]]:
    """Run the model from its inputs to the end of the block ``to``, or of its last block.

    Returns:
        The pass over that block, and for each block's name the step at which its pass begins.
    """
    for name in builder.graph.inputs:
        builder.input(name, builder.value_type(name))
    forward = ForwardPass(builder, _FROZEN, {})
    run_all(forward, parts.stem)
    starts: dict[str, int] = {}
    for block in parts.blocks:
        starts[block.name] = builder.num_nodes
        recipe = trained.get(block.name)
        forward = ForwardPass(builder, recipe or _FROZEN, forward.binary)
        if recipe is None:
            run_all(forward, block.nodes)
        else:
            _run_trained(forward, block)
        if block.name == to:
            break
    return forward, starts


def run_all(forward: ForwardPass, nodes: Sequence[Node]) -> None:
    """Run nodes of the model as they are."""
    for node in nodes:
        forward.run_node(node)


def _run_trained(forward: ForwardPass, block: Block) -> None:
    """Run a block whose training is over: parameters and scale are read where they lie."""
    builder = forward.builder
    layer_of = {node.name: layer for layer in block.layers for node in layer.nodes}
    binary = binary_parts(builder.graph, block, forward.recipe)
    running = running_statistics(block)
    for part in block.stages:
        if part in binary:
            forward.expect_bits(part)
        for node in part.nodes:
            layer = layer_of.get(node.name)
            if node in running:
                forward.normalize(node)
            elif layer is None and node.name not in forward.absorbed:
                if not block.parts or pool_product(builder, node, keeps_places=False) is None:
                    forward.run_node(node)
            elif layer is not None and node is layer.nodes[0]:
                recipe = recipe_of_layer(block, layer, forward.recipe)
                forward.run_layer(layer, declare_read_only(builder, layer, recipe), recipe)
        if part in binary:
            is_scaled, has_levels = forward.recipe.block_output == "scaled", forward.recipe.activation_bits > 1
            scale = scale_of(part.output) if is_scaled or has_levels else ""
            if scale:
                builder.tensor(scale, TensorType("float32", ()), "weight", place=builder.parameter_place, is_persistent=True)
            preactivation = forward.become_bits(part.output, scale if is_scaled else "")
            builder.call("LevelActivation" if has_levels else "BinaryActivation", (preactivation, scale), (part.output,))
