"""What methods with labels share: how a step reads them, and the loss of a block's scores, weighted by classes or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.class_weights import parse_class_weights
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.ir.names import CLASS_WEIGHTS, LABELS, LOGITS, LOSS, gradient
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.builder import StepBuilder
from tinyfoa_rt.steps.methods.method import KeptTensor

__all__ = ["add_loss", "class_weights", "declare_labels", "kept_class_weights"]


def declare_labels(context: BlockContext, builder: StepBuilder) -> None:
    """Declare ``#target``: classes (N), or values (N, outputs)."""
    if loss_of(context.recipe.loss).labels != "class":
        labels_type = TensorType("float32", (builder.batch, context.recipe.num_outputs))
    else:
        # onnxruntime's operators index with 64-bit numbers.
        labels_type = TensorType("int64" if context.profile.runtime == "ort" else "int32", (builder.batch,))
    builder.tensor(LABELS, labels_type, "activation", is_persistent=True)


def kept_class_weights(context: BlockContext) -> tuple[KeptTensor, ...]:
    """``#class_weights`` (classes), where the loss has them."""
    count = len(parse_class_weights(context.recipe.class_weights))
    return (KeptTensor(CLASS_WEIGHTS, TensorType("float32", (count,)), "head", is_fixed=True),) if count else ()


def class_weights(context: BlockContext) -> Mapping[str, NDArray[Any]]:
    """What they are."""
    factors = parse_class_weights(context.recipe.class_weights)
    return {CLASS_WEIGHTS: np.array(factors, dtype=np.float32)} if factors else {}


def add_loss(context: BlockContext, builder: StepBuilder, scores: str) -> str:
    """Add the recipe's loss of ``scores`` (N, outputs); return its gradient by them."""
    loss, outputs = loss_of(context.recipe.loss), (gradient(LOGITS), LOSS)
    factors = tuple(each.name for each in kept_class_weights(context))
    return builder.call(loss.weighted if factors else loss.operator, (scores, LABELS, *factors), outputs, {}, "head")[0]
