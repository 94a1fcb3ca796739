"""Sigmoid, Tanh, and what stands for a sigmoid in pieces."""

from __future__ import annotations

from tinyfoa_rt.ir.graph import Node
from tinyfoa_rt.operators.activations.gradient import (
    add_elementwise_gradient,
    gradient_from_output,
    gradient_row,
    lower_gradient,
)
from tinyfoa_rt.operators.channels import elementwise
from tinyfoa_rt.operators.elementwise.unary import lower_unary
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import IN_PLACE, StandardOperator
from tinyfoa_rt.operators.vjp import GradientPass

__all__: list[str] = []


def _hard_swish_vjp(backward: GradientPass, node: Node, grad: str) -> None:
    add_elementwise_gradient(backward, node, ("HardSwishGrad", grad, node.inputs[0]), {})


register(
    StandardOperator(
        name="Sigmoid",
        memory=IN_PLACE,
        vjp=gradient_from_output("SigmoidGrad"),
        lower=lower_unary("tfoa_sigmoid"),
        keeps_channels=elementwise,
        is_never_negative=True,
    ),
    StandardOperator(
        name="Tanh",
        memory=IN_PLACE,
        vjp=gradient_from_output("TanhGrad"),
        lower=lower_unary("tfoa_tanh"),
        keeps_channels=elementwise,
    ),
    StandardOperator(
        name="HardSigmoid",
        memory=IN_PLACE,
        vjp=gradient_from_output("HardSigmoidGrad", "alpha"),
        lower=lower_unary("tfoa_hard_sigmoid", alpha=0.2, beta=0.5),
        keeps_channels=elementwise,
        is_never_negative=True,
    ),
    StandardOperator(
        name="HardSwish",
        memory=IN_PLACE,
        vjp=_hard_swish_vjp,
        lower=lower_unary("tfoa_hard_swish"),
        keeps_channels=elementwise,
    ),
    gradient_row("SigmoidGrad", "y", "grad_x = grad_y * (y (1 - y)).", ("channel_size",), lower_gradient("tfoa_sigmoid_grad")),
    gradient_row("TanhGrad", "y", "grad_x = grad_y * (1 - y^2).", ("channel_size",), lower_gradient("tfoa_tanh_grad")),
    gradient_row(
        "HardSigmoidGrad",
        "y",
        "grad_x = grad_y * (alpha where 0 < y < 1).",
        ("alpha", "channel_size"),
        lower_gradient("tfoa_hard_sigmoid_grad", alpha=0.2),
    ),
    gradient_row(
        "HardSwishGrad",
        "x",
        "grad_x = grad_y * (0 for x < -3, 1 for x > 3, else (2 x + 3) / 6).",
        ("channel_size",),
        lower_gradient("tfoa_hard_swish_grad"),
    ),
)
