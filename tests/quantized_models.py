"""Models as onnxruntime's quantizer writes them: real operators between rounded values, or operators on integers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

from tools.quantize import CalibrationSamples

__all__ = ["FORMATS", "quantize"]

# Format, type of activations, type of weights, one scale a channel.
FORMATS: dict[str, tuple[QuantFormat, QuantType, QuantType, bool]] = {
    "qdq, signed": (QuantFormat.QDQ, QuantType.QInt8, QuantType.QInt8, False),
    "qdq, unsigned": (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QUInt8, False),
    "qdq, per channel": (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8, True),
    "qdq, 16 bits": (QuantFormat.QDQ, QuantType.QUInt16, QuantType.QInt8, False),
    "operators, unsigned": (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QUInt8, False),
    "operators, per channel": (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QInt8, True),
}


def quantize(source: Path, target: Path, kind: str, samples: NDArray[np.float32], real: Sequence[str] = ()) -> Path:
    """Quantize ``source``; ``kind`` is one of :data:`FORMATS` or ``dynamic``, and nodes that ``real`` names stay as they are."""
    logging.getLogger().setLevel(logging.ERROR)  # the quantizer recommends pre-processing by a warning
    if kind == "dynamic":
        quantize_dynamic(source, target, nodes_to_exclude=list(real))
        return target
    form, activations, weights, per_channel = FORMATS[kind]
    reader = CalibrationSamples(onnx.load(source).graph.input[0].name, samples)
    kinds = {"quant_format": form, "activation_type": activations, "weight_type": weights, "per_channel": per_channel}
    quantize_static(source, target, reader, nodes_to_exclude=list(real), **kinds)
    return target
