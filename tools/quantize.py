"""Quantize a model to 8 bits by onnxruntime's quantizer: rounded values around each operator (QDQ), one scale a channel.

    python -m tools.quantize MODEL.onnx --data CIFAR_FOLDER -o quantized.onnx [--samples 100]

Ranges are measured on the first training images, as they are stored.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import tinyfoa_rt
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.run.data.fit import fit_to_shape

__all__ = ["CalibrationSamples"]


class CalibrationSamples(CalibrationDataReader):
    """Samples (N, ...) one by one, for the model's input of that name."""

    def __init__(self, name: str, samples: NDArray[Any]) -> None:
        self._feeds = iter([{name: sample[None]} for sample in samples])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--samples", type=int, default=100)
    arguments = parser.parse_args()
    graph = tinyfoa_rt.load(arguments.model)
    (name,) = graph.inputs
    x = fit_to_shape(load_data(arguments.data).x_train[: arguments.samples], graph.shape(name)).astype(np.float32)
    quantize_static(
        arguments.model, arguments.output, CalibrationSamples(name, x), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip


if __name__ == "__main__":
    main()
