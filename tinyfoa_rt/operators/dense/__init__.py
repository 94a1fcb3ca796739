"""Dense products: a family of operators."""

from tinyfoa_rt.operators.dense import layer, matrix

__all__ = ["layer", "matrix"]
