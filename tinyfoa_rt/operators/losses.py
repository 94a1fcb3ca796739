"""Losses of what a head or a classifier says (design, section 2)::

p = softmax(a), loss = -log p_y, delta_a = (p - y) / N               SoftmaxCrossEntropy
the same, each times the factor of the sample's class                WeightedSoftmaxCrossEntropy
p = sigmoid(a), loss = -log p or -log (1 - p), delta_a = (p - y) / N BinaryCrossEntropy, summed over outputs
loss = mean (a - y)^2 / 2, delta_a = (a - y) / (N T)                 MeanSquaredError
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinyfoa_rt.ir.c_program import Call, Name, Number, Statement
from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.losses import LOSSES, Loss
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.geometry import known, scalar
from tinyfoa_rt.operators.lowering import Lowering, LowerRule
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, Operator, Port, Types, no_scratch

__all__ = ["loss_operator", "lower_of_vectors"]


def _shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    return known(inputs[0]), scalar()


def _lower_of_classes(lowering: Lowering, node: StepNode) -> list[Statement]:
    logits, target, *factors = node.inputs
    classes = Number(lowering.columns(logits))
    loss, correct = lowering.at(node.outputs[1]), Name("&context->correct")
    moved = lowering.in_place(logits, node.outputs[0])
    read = (lowering.at(target, "const int32_t"), *map(lowering.real, factors))
    kernel = "tfoa_weighted_softmax_cross_entropy" if factors else "tfoa_softmax_cross_entropy"
    return [*moved, Call(kernel, (lowering.at(node.outputs[0]), *read, lowering.rows, classes, loss, correct))]


def lower_of_vectors(kernel: str) -> LowerRule:
    """A loss of numbers, whose gradient a kernel writes over the scores."""

    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        output, target = node.inputs
        moved = lowering.in_place(output, node.outputs[0])
        size = Number(lowering.columns(output))
        arguments = (lowering.at(node.outputs[0]), lowering.at(target), lowering.rows, size, lowering.at(node.outputs[1]))
        return [*moved, Call(kernel, arguments)]

    return rule


def loss_operator(loss: Loss, doc: str, *, lower: LowerRule | None = None, body: Path | str | None = None) -> Operator:
    """Return the operator of ``loss``; ``lower`` and ``body`` are fields of :class:`Operator`."""
    return Operator(
        name=loss.operator,
        inputs=(Port("logits"), Port("target")),
        outputs=(Port("grad_logits"), Port("loss")),
        shape_rule=_shapes,
        scratch=no_scratch,
        doc=doc,
        memory=IN_PLACE,
        lower=lower,
        body=body,
    )


register(
    loss_operator(
        LOSSES["cross-entropy"],
        "Mean cross entropy of softmax(logits) against class numbers, and its gradient.",
        lower=_lower_of_classes,
    ),
    loss_operator(
        LOSSES["binary-cross-entropy"],
        "Cross entropy of sigmoid(logits) against 0 and 1, summed over outputs, and its gradient.",
        lower=lower_of_vectors("tfoa_binary_cross_entropy"),
    ),
    loss_operator(
        LOSSES["mean-squared-error"],
        "Half the mean squared error against a real target, and its gradient.",
        lower=lower_of_vectors("tfoa_mean_squared_error"),
    ),
    Operator(
        name=LOSSES["cross-entropy"].weighted,
        inputs=(Port("logits"), Port("target"), Port("weights")),
        outputs=(Port("grad_logits"), Port("loss")),
        shape_rule=_shapes,
        scratch=no_scratch,
        doc="SoftmaxCrossEntropy, where loss and gradient of a sample are multiplied by the weight of its class.",
        memory=IN_PLACE,
        lower=_lower_of_classes,
    ),
)
