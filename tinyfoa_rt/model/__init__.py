"""ONNX file -> ``Graph``: read safely, raise the opset, fold constants, infer every shape at any batch."""

from tinyfoa_rt.model.load import load

__all__ = ["load"]
