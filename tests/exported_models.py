"""Models that PyTorch, TensorFlow and scikit-learn exported (tests/exports)."""

from pathlib import Path

__all__ = ["EXPORTS", "FOLDER"]

FOLDER = Path(__file__).with_name("exports")
EXPORTS = sorted(FOLDER.glob("*.onnx"))
