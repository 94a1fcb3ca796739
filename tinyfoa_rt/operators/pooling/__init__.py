"""Pooling: a family of operators."""

from tinyfoa_rt.operators.pooling import average_pool, global_average_pool, max_pool

__all__ = ["average_pool", "global_average_pool", "max_pool"]
