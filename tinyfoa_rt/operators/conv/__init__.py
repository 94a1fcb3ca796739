"""Convolutions: a family of operators."""

from tinyfoa_rt.operators.conv import frozen, layer

__all__ = ["frozen", "layer"]
