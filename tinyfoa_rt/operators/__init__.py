"""Everything that is known of an operator, by families: signature, shapes, memory, gradient, calls of C kernels.

``register`` adds one, from here or from outside of this package.
"""

from tinyfoa_rt.ir.c_program import KernelFiles
from tinyfoa_rt.operators import (
    activations,
    biases,
    conv,
    dense,
    elementwise,
    heads,
    local,
    losses,
    normalization,
    pooled_conv,
    pooling,
    shape,
    updates,
)
from tinyfoa_rt.operators.registry import (
    OPERATORS,
    STANDARD_OPERATORS,
    find_operator,
    is_view,
    memory_rule,
    operator,
    register,
    registered,
    standard_operator,
)
from tinyfoa_rt.operators.signature import DOMAIN, IN_PLACE, Memory, Operator, Port, StandardOperator, no_scratch

FAMILIES = (
    *(activations, biases, conv, pooled_conv, dense, elementwise, heads, local, losses, normalization, pooling, shape),
    updates,
)

__all__ = [
    "DOMAIN", "FAMILIES", "IN_PLACE", "OPERATORS", "STANDARD_OPERATORS",
    "KernelFiles", "Memory", "Operator", "Port", "StandardOperator",
    "find_operator", "is_view", "memory_rule", "no_scratch", "operator", "register", "registered", "standard_operator",
]  # fmt: skip
