"""Local heads and losses (design, section 2)::

    a = g B h                                                            HeadLogits
    p = softmax(a), loss = -log p_y, delta_a = (p - y) / N               SoftmaxCrossEntropy
    p = sigmoid(a), loss = -log p or -log (1 - p), delta_a = (p - y) / N BinaryCrossEntropy, summed over outputs
    loss = mean (a - y)^2 / 2, delta_a = (a - y) / (N T)                 MeanSquaredError
    delta_h = g B^T delta_a, only the rows of the active slice           HeadGrad

With ``pools`` the head sees the mean of each channel over all positions. Where no ``head`` is given (``rademacher``), B is
+-1 from a counter-based hash of (seed, class, unit); else it is stored. The gain g keeps logits of many units in range.
The rows of a slice are its channels, each of which has ``channel_units`` units where the block's output has positions.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyfoa_rt.ir.graph import Attribute
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators.geometry import known, scalar
from tinyfoa_rt.operators.row import Memory, Operator, Port, Types

__all__ = ["head_rows"]


def head_rows() -> tuple[Operator, ...]:
    losses = tuple(
        Operator(
            name=name,
            inputs=(Port("logits"), Port("target")),
            outputs=(Port("grad_logits"), Port("loss")),
            shape_rule=_loss_shapes,
            doc=doc,
            memory=Memory(reuses={0: (0,)}),
        )
        for name, doc in (
            ("SoftmaxCrossEntropy", "Mean cross entropy of softmax(logits) against class numbers, and its gradient."),
            ("BinaryCrossEntropy", "Cross entropy of sigmoid(logits) against 0 and 1, summed over outputs, and its gradient."),
            ("MeanSquaredError", "Half the mean squared error against a real target, and its gradient."),
        )
    )
    return (
        Operator(
            name="HeadLogits",
            inputs=(
                Port("h"),
                Port("scale", is_optional=True),
                Port("head", is_optional=True),
                Port("head_slice", is_optional=True),
                Port("origin", is_optional=True),
            ),
            outputs=(Port("logits"),),
            shape_rule=_logits_shape,
            doc="logits = B h over the flattened or pooled block output; B is hashed where head is absent.",
            attributes=("num_classes", "seed", "pools", "gain"),
        ),
        *losses,
        Operator(
            name="HeadGrad",
            inputs=(
                Port("grad_logits"),
                Port("head", is_optional=True),
                Port("head_slice", is_optional=True),
                Port("origin", is_optional=True),
            ),
            outputs=(Port("grad_h"),),
            shape_rule=_grad_shape,
            doc="grad_h = B^T grad_logits for the rows of the active slice.",
            attributes=("output_shape", "seed", "pools", "gain", "channel_units"),
        ),
    )


def _logits_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    num_classes = attributes["num_classes"]
    assert isinstance(num_classes, int)
    return (TensorType("float32", (known(inputs[0]).shape[0], num_classes)),)


def _loss_shapes(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    return known(inputs[0]), scalar()


def _grad_shape(inputs: Types, attributes: Mapping[str, Attribute]) -> tuple[TensorType, ...]:
    shape = attributes["output_shape"]
    assert isinstance(shape, tuple)
    return (TensorType("float32", tuple(int(length) for length in shape)),)
