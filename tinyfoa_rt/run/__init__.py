"""Training on onnxruntime: sessions, state, trainer. Imports numpy and onnxruntime, never onnx, so that a board needs no more."""

from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.run.trainer import Trainer

__all__ = ["Artifact", "Trainer"]
