"""Normalization: a family of operators."""

from tinyfoa_rt.operators.normalization import batch, local_response

__all__ = ["batch", "local_response"]
