"""What a method is: where the error that trains a block comes from.

A method is an object without state, asked about one block at a time. It says which tensors the block keeps for it, adds the
loss and the gradients of values of the block to a step, and names the scores that the trainer reports. How the error comes
back through the block, what is updated and where weights lie is not its business.

The model predicts by its own output, whatever trains its blocks; what a single block predicts are a step's scores, and an exit's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from tinyfoa_rt.ir.block import Block, Partition
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.plan import Category, PlannedBuffer
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.steps.backward import BackwardPass
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.block_pass import BlockPass
from tinyfoa_rt.steps.forward import ForwardPass

__all__ = ["KeptTensor", "Method", "RateUnits", "Signal"]


@dataclass(frozen=True, slots=True)
class KeptTensor:
    """A tensor that a block keeps for its method from step to step, beside the parameters of its layers.

    Attributes:
        name: in the step, ``#ROLE``; in the state and in checkpoints it is ``BLOCK#ROLE``.
        type: element type and shape.
        category: in which group the plan shows it.
        is_fixed: steps read it and never change it, so that it lies where parameters lie; else it is in RAM.
        is_derived: it is computed, not learnt, so that only a step that reads it holds it.
    """

    name: str
    type: TensorType
    category: Category
    is_fixed: bool = False
    is_derived: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether it stays as it is; else generated C stores it whenever a turn ends."""
        return self.is_fixed or self.is_derived


@dataclass(frozen=True, slots=True)
class Signal:
    """What a method has added to a step.

    Attributes:
        gradients: by values of the block, the tensors with the gradient of the loss by each, float32, in the shape that
            ``BackwardPass.grad_type`` gives. That of a binary output is by its real form h, before the straight-through window.
        scores: the tensor (N, outputs) by which the block predicts, as the model's output is read; empty where there is none.
        passes: by names of parts of the block, the forward pass from which each learns, where that is not the first one: its
            values are what layers have read and what activations have seen.
    """

    gradients: Mapping[str, str]
    scores: str = ""
    passes: Mapping[str, BlockPass] = field(default_factory=dict)


class RateUnits(NamedTuple):
    """What the law of rates (builder/rates.py) knows of a method.

    ``units`` are the numbers that share the error, 0 where the error is the loss's own; ``positions`` how many positions of the
    output each is the mean of. Steps are ``share`` as long as others of the same optimizer.
    """

    units: int = 0
    positions: int = 1
    share: float = 1.0


class Method(Protocol):
    """Where a block's error comes from. Subclass it: all but ``name`` and ``add`` has a default.

    Attributes:
        name: in the recipe, in options and in messages.
        reads_labels: steps read labels, classes or numbers: the tensor ``#target``.
        sends_slices: the gradient of the output is added for the channels of the active slice alone, where that is possible.
        spans_model: all trained layers are one block, which the method trains up to the model's own loss.
        passes_errors: a layer sends its error to the layers below it; else an error ends at the layer that it reaches first.
        needs_ort: only onnxruntime runs its steps.
    """

    name: str
    reads_labels: bool = True
    sends_slices: bool = False
    spans_model: bool = False
    passes_errors: bool = True
    needs_ort: bool = False

    def decide(self, options: PlanOptions, model: Partition, trained: frozenset[str]) -> PlanOptions:
        """Return ``options`` with what they leave open, or to ``auto``, of the method's own options decided.

        Raises:
            UsageError: one does not fit the blocks that are trained, which ``trained`` names.
        """
        return options

    def recipe_of(self, recipe: Recipe, block: Block, last: Block) -> Recipe:
        """Return the recipe of one block of a model with the block ``last``, where it is not that of all."""
        return recipe

    def check(self, recipe: Recipe) -> None:
        """Refuse what cannot run.

        Raises:
            UnsupportedError: says what and why.
        """
        return

    def kept(self, context: BlockContext) -> tuple[KeptTensor, ...]:
        """The tensors that a block keeps."""
        return ()

    def initial(self, context: BlockContext, last: Block) -> Mapping[str, NDArray[Any]]:
        """What they begin with, by the names of :meth:`kept`; ``last`` is the model's last block."""
        return {}

    def add(self, context: BlockContext, forward: BlockPass, backward: BackwardPass) -> Signal:
        """Add the loss and its gradients to a step, whose forward pass is complete.

        The labels, if they are read, and the kept tensors are declared. The loss is the tensor ``LOSS``, float32 without axes.
        Set ``forward.builder.phase`` to ``gradient`` before the first node that belongs to it.
        """
        ...

    def predict(self, context: BlockContext, forward: ForwardPass, scores: str, owner: str = "") -> str:
        """Add the block's own prediction to a pass over it: the tensor ``scores`` (N, outputs). Return its name.

        Where the block does not predict by itself, nothing is added, and the name is empty. The names of kept tensors begin with
        ``owner`` where a graph is not the block's alone.
        """
        return ""

    def rate_units(self, context: BlockContext) -> RateUnits:
        """What the block's rate depends on."""
        return RateUnits()

    def title(self, options: PlanOptions) -> str:
        """What reports of a plan call the method, with its resolved options."""
        return self.name

    def advice(self, context: BlockContext, largest: PlannedBuffer) -> str:
        """Return a sentence that says which of the method's options makes a block's largest buffer smaller, or nothing."""
        return ""
