"""What methods without a backward pass share: each hidden layer has an error of its own, and the classifier the model's loss."""

from __future__ import annotations

from tinyfoa_rt.errors import UnsupportedError, UsageError
from tinyfoa_rt.ir.block import Block, Partition
from tinyfoa_rt.ir.class_weights import NO_CLASS_WEIGHTS
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.operators.vjp import refuse
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.methods.method import Method

__all__ = ["ForwardOnly", "entry_of", "hidden_parts"]


class ForwardOnly(Method):
    """The model is one block, in which no error passes from layer to layer."""

    spans_model = True
    passes_errors = False
    needs_ort = True

    def decide(self, options: PlanOptions, model: Partition, trained: frozenset[str]) -> PlanOptions:
        """Refuse classes with weights: hidden layers do not learn from the loss."""
        if options.class_weights != NO_CLASS_WEIGHTS:
            problem = f"is for methods whose layers all learn from the loss, and {self.name} is none"
            mend = "train with --sampling balanced, or another --method"
            raise UsageError(f"--class-weights {options.class_weights}", problem, mend)
        return options

    def check(self, recipe: Recipe) -> None:
        """Refuse labels that are no classes."""
        if recipe.loss != "cross-entropy":
            problem = f"needs one class a sample, but the loss is {recipe.loss}"
            raise UnsupportedError(f"method {self.name}", problem, "plan with --loss cross-entropy, or another --method")


def hidden_parts(context: BlockContext) -> tuple[Block, ...]:
    """The trained parts of a block before the one that computes the model's output.

    Raises:
        UnsupportedError: one reads more than the output of the part before it: an error would pass by that way.
    """
    *hidden, last = context.block.stages
    for before, part in zip(hidden, (*hidden[1:], last)):
        products = {node.name for layer in part.layers for node in layer.nodes}
        passed = {name for node in part.nodes if node.name not in products for name in node.inputs}
        if part.inputs != (before.output,) or before.output in passed:
            problem = f"stands beside a shortcut or another layer, where the method {context.recipe.method} needs a chain"
            raise refuse(part.layers[0].name, problem)
    trained = {layer.name for layer in context.block.layers}
    return tuple(part for part in hidden if part.layers[0].name in trained)


def entry_of(context: BlockContext) -> str:
    """The one value that enters the block.

    Raises:
        UnsupportedError: there are several, or it is no array of real numbers.
    """
    entries = context.block.inputs
    if len(entries) != 1 or context.graph.values[entries[0]].dtype != "float32":
        raise refuse(
            context.block.layers[0].name, "reads other than one array of real numbers, which the error could be added to"
        )
    return entries[0]
