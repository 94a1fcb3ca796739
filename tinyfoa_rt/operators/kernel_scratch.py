"""What C kernels hold beside inputs and outputs, in bytes: an input that they quantize.

What the function bodies hold on onnxruntime is counted node by node in tinyfoa_rt/allocation.
"""

from __future__ import annotations

from tinyfoa_rt.operators.geometry import known
from tinyfoa_rt.operators.row import Types

__all__ = ["quantized_sample", "quantized_samples"]


def quantized_samples(inputs: Types) -> int:
    """Of each sample its step, and 16 bits an input in whole words (targets/c99/runtime/sign_dense.c)."""
    x = known(inputs[0])
    num_inputs = x.shape[-1]
    return x.size // num_inputs * (4 + 4 * -(-num_inputs // 2))


def quantized_sample(inputs: Types) -> int:
    """Of one sample 16 bits an input, in whole words (targets/c99/runtime/sign_conv.c)."""
    x = known(inputs[0])
    return 4 * -(-x.size // x.shape[0] // 2)
