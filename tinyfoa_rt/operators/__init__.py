"""The domain operators: one row each (docs/operators.md)."""

from tinyfoa_rt.operators.row import DOMAIN, Memory, Operator, Port
from tinyfoa_rt.operators.table import OPERATORS, memory_rule, operator

__all__ = ["DOMAIN", "OPERATORS", "Memory", "Operator", "Port", "memory_rule", "operator"]
