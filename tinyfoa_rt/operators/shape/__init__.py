"""Operators that only move elements: a family."""

from tinyfoa_rt.operators.shape import boxes, transpose, views

__all__ = ["boxes", "transpose", "views"]
