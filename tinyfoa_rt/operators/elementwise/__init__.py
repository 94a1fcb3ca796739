"""Arithmetic, element by element: a family of operators."""

from tinyfoa_rt.operators.elementwise import arithmetic, broadcast, scaling, unary

__all__ = ["arithmetic", "broadcast", "scaling", "unary"]
