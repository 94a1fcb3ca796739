"""What leaves tinyfoa-rt: generated C99 for devices without onnxruntime."""
