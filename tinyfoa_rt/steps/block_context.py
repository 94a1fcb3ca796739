"""What the assembly of a step graph is given: the block, its surroundings, and the sizes that planning tries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from tinyfoa_rt.ir.block import Block, Layer, Slices
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.ir.latents import FLOAT
from tinyfoa_rt.ir.names import scale_of
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.steps.initial_weights import deviation
from tinyfoa_rt.steps.rows import disordered, rows_in_order
from tinyfoa_rt.steps.training_nodes import has_sign, nodes_to_output, reached_by_layers, running_statistics

__all__ = ["BlockContext", "StepChoice", "binary_parts", "block_contexts", "recipe_of_layer"]


def binary_parts(graph: Graph, block: Block, recipe: Recipe) -> tuple[Block, ...]:
    """The parts of a block whose outputs are bits.

    A classifier's never is, nor one that is never negative or is read as it is, nor that of a part whose weights are frozen.
    """
    if recipe.binarize != "both":
        return ()
    trained = {layer.name for layer in block.layers}
    return tuple(
        part
        for part in block.stages
        if _learns_weights(part, trained) and not (part.is_classifier or part.keeps_reals) and has_sign(graph, part)
    )


def _learns_weights(part: Block, trained: Collection[str]) -> bool:
    """Whether a part is trained, and more of it than biases."""
    return part.layers[0].name in trained and any(layer.kind != "bias" for layer in part.layers)


def recipe_of_layer(block: Block, layer: Layer, recipe: Recipe) -> Recipe:
    """The recipe of one layer of a block that is trained by ``recipe``.

    The model's classifier and its first layers have a precision of their own, and biases are real numbers.
    """
    if layer.kind == "bias":
        return replace(recipe, binarize="none", latent=FLOAT)
    if recipe.first_layer == "real" and any(layer in part.layers for part in block.stages if part.depth == 1):
        return replace(recipe, binarize="none")
    is_last = block.is_classifier and any(layer is each for each in block.stages[-1].layers)
    return recipe.of_classifier() if is_last else recipe


@dataclass(frozen=True)
class BlockContext:
    """A block and what it is surrounded by; the same for all sizes that are tried.

    ``binary_values`` names the inputs that trained blocks hand over as bits, with the tensor of their scale; the empty string
    where they hand over none. ``disorder`` says why the block cannot be trained on single samples, if it cannot.
    ``needless`` has by the cuts of its forward pass what steps need not keep, for those of which one has been assembled.
    """

    graph: Graph
    block: Block
    recipe: Recipe
    profile: Profile
    binary_values: Mapping[str, str]
    disorder: str = ""
    needless: dict[tuple[int, ...], frozenset[str]] = field(default_factory=dict, init=False, compare=False, repr=False)

    @cached_property
    def binary_parts(self) -> tuple[Block, ...]:
        """The parts of the block whose outputs are bits, in execution order."""
        return binary_parts(self.graph, self.block, self.recipe)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that the block's output is computed from, in execution order."""
        return nodes_to_output(self.block)

    @cached_property
    def reached(self) -> frozenset[str]:
        """The values through which a gradient passes on its way to a layer, the layers' outputs included."""
        return reached_by_layers(self.block)

    @cached_property
    def running(self) -> tuple[Node, ...]:
        """The batch normalizations that keep running statistics."""
        return running_statistics(self.block)

    def recipe_of(self, layer: Layer) -> Recipe:
        """The recipe of one of the block's layers."""
        return recipe_of_layer(self.block, layer, self.recipe)

    @cached_property
    def deviations(self) -> Mapping[str, float]:
        """How large the weights of each layer are when training begins, by the layer's name."""
        is_binary = {layer.name: self.recipe_of(layer).binarize != "none" for layer in self.block.layers}
        return {layer.name: deviation(self.graph, layer, is_binary=is_binary[layer.name]) for layer in self.block.layers}


@dataclass(frozen=True, slots=True)
class StepChoice:
    """Sizes of a training step.

    ``holds_slice`` is true where of a layer that is cut only the active slice is in RAM, else all is; ``hands_on`` where the
    block's output is kept for the next block, which trains on the same batch. ``segments`` are the parts of the block, counted
    from 0, before which the forward pass is cut: in front of the last cut activations are computed again instead of being kept.
    ``moving`` is the layer of the block, counted from 0, that alone moves; ``None`` where all do. ``slices_per_step`` is how many
    slices of a layer the error of a step moves, one after the other.
    """

    slices: Slices
    batch: int
    holds_slice: bool
    hands_on: bool = False
    segments: tuple[int, ...] = ()
    moving: int | None = None
    slices_per_step: int = 1

    def moved(self, block: Block) -> tuple[Layer, ...]:
        """The layers that a step moves; the others are read where they lie."""
        return block.layers if self.moving is None else (block.layers[self.moving],)


def block_contexts(graph: Graph, blocks: Sequence[Block], recipe: Recipe, profile: Profile) -> tuple[BlockContext, ...]:
    """The contexts of the blocks that are trained, in their order."""
    hands_scale = recipe.block_output == "scaled"
    binary: dict[str, str] = {}
    contexts = []
    ordered = rows_in_order(graph)
    for block in blocks:
        own = recipe if not block.is_classifier else recipe.of_own_loss() if block.parts else recipe.of_classifier()
        entering = {name: binary[name] for name in block.inputs if name in binary}
        contexts.append(BlockContext(graph, block, own, profile, entering, disordered(graph, block, ordered)))
        for part in contexts[-1].binary_parts:
            binary[part.output] = scale_of(part.output) if hands_scale else ""
    return tuple(contexts)
