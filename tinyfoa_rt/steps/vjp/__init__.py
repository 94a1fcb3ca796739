"""Vector-Jacobian product rules: one a standard operator.

A rule takes the backward pass, the node and the gradient of the node's first output, adds nodes, and records gradients for
those inputs that lead to a layer.
"""

from collections.abc import Mapping

from tinyfoa_rt.steps.vjp.arithmetic import ARITHMETIC_RULES
from tinyfoa_rt.steps.vjp.elementwise import ELEMENTWISE_RULES
from tinyfoa_rt.steps.vjp.movement import MOVEMENT_RULES
from tinyfoa_rt.steps.vjp.normalization import NORMALIZATION_RULES
from tinyfoa_rt.steps.vjp.pooling import POOLING_RULES
from tinyfoa_rt.steps.vjp.rule import VjpRule

__all__ = ["VJP_RULES"]

VJP_RULES: Mapping[str, VjpRule] = {
    **ARITHMETIC_RULES,
    **ELEMENTWISE_RULES,
    **MOVEMENT_RULES,
    **NORMALIZATION_RULES,
    **POOLING_RULES,
}
