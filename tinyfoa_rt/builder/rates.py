"""The rate at which a block starts (docs/training.md): all but the power of what it reads is known when an artifact is built."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tinyfoa_rt.artifact.records import RateRecord
from tinyfoa_rt.ir.block import Block, Layer
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.ir.optimizers import Optimizer, optimizer_of
from tinyfoa_rt.planner.task import PlanningTask
from tinyfoa_rt.steps import BlockContext, StepChoice
from tinyfoa_rt.steps.methods import method_of

__all__ = ["BlockSize", "rate_law", "rate_of_block"]

# Base rates are of standardized inputs, batch 100, per sqrt(units) of the block's output; see docs/training.md.
_REFERENCE_BATCH = 100
_REFERENCE_INPUTS = 784
# Inputs that are far smaller would ask for steps beyond the range of latent weights, which is -1 to 1.
_LEAST_INPUT_POWER = 0.25
# The shares of very many units add up to more than the error: the loss of a layer of 10,000 and more would grow.
_MOST_UNITS = 2000
# Kernels of few inputs would ask for more; beyond it all of their weights change sign from step to step.
_MOST_OF_KERNELS = 4.0
# A classifier reads more of what convolutions hand on than they have learnt from their own heads: it has further to go.
_LEAST_BOOST_BEHIND_KERNELS = 2.0
# Half of what would bring an output to its label in one step of a whole layer.
_SQUARED_OUTPUTS = 40


@dataclass(frozen=True)
class BlockSize:
    """What the rate of a block depends on, beside what it reads.

    These are: units of its error (0: a classifier), positions that a unit is the mean of, inputs of an output, slices for each
    that a step moves, positions at which a weight is used, of a model's own output whose loss is a mean over outputs how many
    there are (else 0), and whether it is a classifier behind convolutions that learn from scratch.
    """

    units: int
    unit_positions: int
    fan_in: int
    num_slices: float
    weight_positions: int
    averaged_outputs: int = 0
    is_behind_kernels: bool = False


def rate_of_block(task: PlanningTask, context: BlockContext, choice: StepChoice) -> RateRecord:
    """Return the law by which a trained block starts."""
    block, recipe = context.block, context.recipe
    seen = method_of(recipe.method).rate_units(context)
    averaged = recipe.num_outputs if block.is_classifier and loss_of(recipe.loss).averages_outputs else 0
    is_from_scratch = block.is_classifier and not averaged and len(task.contexts) == len(task.parts.blocks)
    size = BlockSize(
        units=seen.units,
        unit_positions=seen.positions,
        fan_in=max(layer.fan_in for layer in block.layers),
        num_slices=choice.slices.count * len(task.moving(block)) / choice.slices_per_step,
        weight_positions=max(_positions(context, layer) for layer in block.layers),
        averaged_outputs=averaged,
        is_behind_kernels=is_from_scratch and any(_is_of_kernels(each.block) for each in task.contexts),
    )
    law = rate_law(optimizer_of(recipe.optimizer), choice.batch, size)
    return replace(law, boost=law.boost * seen.share)


def rate_law(optimizer: Optimizer, batch: int, size: BlockSize) -> RateRecord:
    """Return the law of a block of ``size``.

    A gradient grows with the error that the head returns, g = sqrt(2 / units), of which a position behind a mean gets its share,
    and with its input's power; its noise falls with the batch, and a slice has fewer steps to move in. A weight that is used at
    many positions adds up the errors of all: of one sign behind a mean, else each position, or cell of a grid, has rows of the
    head of its own. Where steps do not follow the gradient's size, neither does the rate.
    """
    base = optimizer.base_rate
    # Slices get longer steps, since each has fewer; a whole layer would run away: all of its weights move at once.
    boost = min(0.5 * size.num_slices, 0.75 * math.sqrt(size.num_slices))
    if size.is_behind_kernels:
        boost = max(boost, _LEAST_BOOST_BEHIND_KERNELS)
    if not optimizer.follows_gradient:  # the base rate is that of one sample where it is a share of the weights
        scale = batch * 2 if optimizer.follows_weights else batch / _REFERENCE_BATCH * 2000
        return RateRecord(base * math.sqrt(scale * boost), None, size.fan_in, _LEAST_INPUT_POWER, None)
    if not size.units and size.averaged_outputs:
        spread = size.averaged_outputs / _SQUARED_OUTPUTS  # each output's error is a share of the mean of all
    else:
        # sqrt(2) / gain: the head's gain is sqrt(2 / units), and that of the model's own classifier is 1.
        units = size.units or 2
        uses = min(size.unit_positions, size.weight_positions)  # of a weight within what a unit of the head is the mean of
        spread = size.unit_positions / uses * math.sqrt(min(units * uses / size.weight_positions, _MOST_UNITS))
    numerator = base * spread * batch / _REFERENCE_BATCH * _REFERENCE_INPUTS
    most = _MOST_OF_KERNELS if size.weight_positions > 1 else None
    return RateRecord(boost, numerator, size.fan_in, _LEAST_INPUT_POWER, most)


def _positions(context: BlockContext, layer: Layer) -> int:
    """At how many places with an error of their own a weight is used; behind a mean over positions they share one."""
    output = context.graph.values[context.block.output].size
    return max(1, output // layer.out_features) if layer.kind in ("conv", "bias") else 1


def _is_of_kernels(block: Block) -> bool:
    """Whether a block trains convolutions by an error of its own."""
    return not block.is_classifier and block.layers[0].kind == "conv"
