"""Training on onnxruntime: state, sessions. Imports numpy and onnxruntime, never onnx, so that a board needs no more."""
