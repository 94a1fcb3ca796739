"""What methods with labels share: how a step reads them, and the loss of a block's scores."""

from __future__ import annotations

from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.ir.names import LABELS, LOGITS, LOSS, gradient
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.builder import StepBuilder

__all__ = ["add_loss", "declare_labels"]


def declare_labels(context: BlockContext, builder: StepBuilder) -> None:
    """Declare ``#target``: classes (N), or values (N, outputs)."""
    if loss_of(context.recipe.loss).labels != "class":
        labels_type = TensorType("float32", (builder.batch, context.recipe.num_outputs))
    else:
        # onnxruntime's operators index with 64-bit numbers.
        labels_type = TensorType("int64" if context.profile.runtime == "ort" else "int32", (builder.batch,))
    builder.tensor(LABELS, labels_type, "activation", is_persistent=True)


def add_loss(context: BlockContext, builder: StepBuilder, scores: str) -> str:
    """Add the recipe's loss of ``scores`` (N, outputs); return its gradient by them."""
    outputs = (gradient(LOGITS), LOSS)
    return builder.call(loss_of(context.recipe.loss).operator, (scores, LABELS), outputs, {}, "head")[0]
