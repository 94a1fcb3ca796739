"""What an artifact carries of the model that it was built from, so that it can be exported for devices without onnxruntime."""

from __future__ import annotations

__all__ = ["MODEL", "OPTIONS"]

MODEL = "source/model.onnx"
OPTIONS = "source/options.json"
