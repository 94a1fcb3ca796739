"""ONNX file -> ``Graph``: read safely, raise the opset, fold constants, infer every shape at batch 1."""

from tinyfoa_rt.model.load import load

__all__ = ["load"]
