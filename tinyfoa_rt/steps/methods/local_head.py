"""Local heads: each block classifies by a matrix of its own.

    logits = g B h,    delta_logits = the gradient of the loss by them,    delta_h = g B^T delta_logits

B is fixed: computed from a hash (``rademacher``), drawn (``kaiming``), or the model's own classifier. Mono-Forward trains it
(``learned``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block, Partition
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.names import LOGITS, gradient, kept_by, own, parts
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.options import AUTO, PlanOptions
from tinyfoa_rt.ir.plan import PlannedBuffer
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.head_hash import rademacher_head
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.forward import ForwardPass
from tinyfoa_rt.steps.initial_weights import initial_weights
from tinyfoa_rt.steps.methods.drawn import draw
from tinyfoa_rt.steps.methods.head_view import HeadView, view_of
from tinyfoa_rt.steps.methods.learned_head import LearnedHead
from tinyfoa_rt.steps.methods.method import KeptTensor, Method, RateUnits, Signal
from tinyfoa_rt.steps.methods.supervised import add_loss, class_weights, kept_class_weights

__all__ = ["LocalHead"]

_HEAD = own("", "head")


class LocalHead(Method):
    """A block's error is that of a head which reads its output; ``head`` and ``head_pool`` say which, and what it sees."""

    name = "local-head"
    sends_slices = True

    def decide(self, options: PlanOptions, model: Partition, trained: frozenset[str]) -> PlanOptions:
        """Trained blocks behind frozen ones go on with what they know; from scratch heads learn where activations are real and
        steps are normalized; else they are hashed, and not stored where a loop computes them.
        """
        fed = any(_feeds(block, model.blocks[-1]) for block in model.blocks if block.name in trained)
        if options.head == "classifier" and not fed:
            problem = "no trained block's output is what a dense classifier reads"
            raise UsageError("--head classifier", problem, "use rademacher, or train the block before the classifier")
        if options.head != AUTO:
            return options
        hidden = [block for block in model.blocks if block.name in trained and not block.is_classifier]
        if len(trained) < len(model.blocks):
            goes_on = fed and options.classes is None and options.binarize == "none"
            return replace(options, head="classifier" if goes_on else "rademacher")
        learns = bool(hidden) and options.binarize != "both" and optimizer_of(options.optimizer).follows_weights
        return replace(options, head="learned" if learns else "rademacher")

    def recipe_of(self, recipe: Recipe, block: Block, last: Block) -> Recipe:
        """The classifier's weights are a head for the block that it reads; other blocks have hashed ones."""
        return replace(recipe, head="rademacher") if recipe.head == "classifier" and not _feeds(block, last) else recipe

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        return (*_kept_head(context), *kept_class_weights(context))

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        return {**_initial_head(context, last), **class_weights(context)}

    def add(self, context: BlockContext, forward: BlockPass, backward: BackwardPass) -> Signal:
        builder, output, view = forward.builder, context.block.output, view_of(context)
        seen, scale = _seen(context, view, forward)
        head, drawn, logits = _classify(context, forward, (seen, scale), LOGITS)
        grad_logits = add_loss(context, builder, logits)
        builder.phase = "gradient"
        full = builder.type_of(seen).shape
        shape = backward.part.shape(full) if backward.part else full
        units = view.units // backward.part.channels if backward.part else 1
        grad_attributes = {"output_shape": shape, **drawn, **({"channel_units": units} if units > 1 else {})}
        inputs = (grad_logits, head, backward.origin)
        grad = builder.call("HeadGrad", inputs, (gradient(seen),), grad_attributes, "gradient")[0]
        if context.recipe.head == "learned":
            _learned(context).learn(builder, (grad_logits, seen, scale, grad), {name: drawn[name] for name in ("pools", "gain")})
        return Signal({output: grad if seen == output else _spread(view, backward, output, grad)}, logits)

    def predict(self, context: BlockContext, forward: ForwardPass, scores: str, owner: str = "") -> str:
        return _classify(context, forward, _seen(context, view_of(context), forward), scores, owner)[2]

    def rate_units(self, context: BlockContext) -> RateUnits:
        view = view_of(context)
        return RateUnits(view.units, view.positions)

    def title(self, options: PlanOptions) -> str:
        """One block that ends where the model does has the model's own loss."""
        return "the model's own loss" if options.block_layers == "all" else f"{options.head} heads"

    def advice(self, context: BlockContext, largest: PlannedBuffer) -> str:
        """What fills the memory may be a head over every position of a block's output."""
        is_of_head = largest.category == "head" or not {"HeadLogits", "HeadGrad"}.isdisjoint(parts(largest.name))
        helps = is_of_head and view_of(context).pool == "none" and len(context.graph.shape(context.block.output)) > 2
        return "Pooled heads are smaller: --head-pool average." if helps else ""


def _kept_head(context: BlockContext) -> tuple[KeptTensor, ...]:
    recipe, shape = context.recipe, (context.recipe.num_outputs, view_of(context).units)
    if recipe.head == "learned":
        return _learned(context).kept()
    if recipe.head == "rademacher":
        signs = KeptTensor(_HEAD, TensorType("int8", shape), "head", is_derived=True)
        return () if context.profile.computes_head else (signs,)
    return (KeptTensor(_HEAD, TensorType("float32", shape), "head", is_fixed=True),)


def _initial_head(context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
    """Hashed signs, the classifier's weights, or Kaiming's uniform distribution as in the authors' code."""
    recipe, view = context.recipe, view_of(context)
    if recipe.head == "classifier":
        weight = initial_weights(context.graph, last.layers[0], is_binary=False)[own(last.layers[0].name, "weight")]
        return {_HEAD: np.array(weight.T / np.float32(view.gain), order="C")}
    if recipe.head == "rademacher":
        return {_HEAD: rademacher_head(recipe.seed, recipe.num_outputs, view.units)}
    head = draw((recipe.seed,), (recipe.num_outputs, view.units))
    return _learned(context).initial(head) if recipe.head == "learned" else {_HEAD: head}


def _learned(context: BlockContext) -> LearnedHead:
    return LearnedHead(context, _HEAD, (context.recipe.num_outputs, view_of(context).units))


def _feeds(block: Block, last: Block) -> bool:
    """Whether the model's classifier is one dense layer that reads the block's output as it is."""
    layer = last.layers[0]
    is_single = last.is_classifier and len(last.layers) == 1 and layer.kind == "dense" and layer.positions == 1
    return is_single and block is not last and layer.input == block.output


def _classify(
    context: BlockContext, forward: ForwardPass, seen: tuple[str, str], scores: str, owner: str = ""
) -> tuple[str, dict[str, Attribute], str]:
    """Add the scores; return the stored head, empty where it is computed from its hash, what draws it, and the scores."""
    recipe, builder, view = context.recipe, forward.builder, view_of(context)
    stored = kept_by(owner, _HEAD)
    head = stored if builder.has(stored) else ""
    head = _learned(context).real(builder, head) if recipe.head == "learned" else head
    drawn: dict[str, Attribute] = {"seed": recipe.seed, "pools": int(view.pool == "average"), "gain": view.gain}
    attributes = {"num_classes": recipe.num_outputs, **drawn}
    return head, drawn, builder.call("HeadLogits", (*seen, head), (scores,), attributes, "head")[0]


def _seen(context: BlockContext, view: HeadView, forward: ForwardPass) -> tuple[str, str]:
    """What the head reads, and its scale: the block's output, or the means of its cells, which are real numbers."""
    builder, output = forward.builder, context.block.output
    if view.pool != "grid":
        return output, forward.binary.get(output, "")
    cells = (own(output, "cells"), TensorType("float32", (*builder.value_type(output).shape[:2], *view.cells)))
    return builder.standard("AveragePool", (forward.real_output(output),), cells, view.window, "head"), ""


def _spread(view: HeadView, backward: BackwardPass, output: str, grad: str) -> str:
    """The gradient of each position, from that of its cell."""
    none = (0,) * len(view.size)
    window: dict[str, Attribute] = {**view.window, "dilations": (1,) * len(none), "overhang": none, "unreached": none}
    window["input_shape"] = backward.grad_type(output).shape
    return backward.builder.call("AveragePoolGrad", (grad, backward.origin), (gradient(output),), window, "gradient")[0]
