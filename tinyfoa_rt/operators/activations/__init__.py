"""Activations: a family of operators."""

from tinyfoa_rt.operators.activations import binary, relu, sigmoid, softmax

__all__ = ["binary", "relu", "sigmoid", "softmax"]
