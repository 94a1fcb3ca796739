"""Activations: a family of operators."""

from tinyfoa_rt.operators.activations import binary, levels, relu, sigmoid, softmax

__all__ = ["binary", "levels", "relu", "sigmoid", "softmax"]
