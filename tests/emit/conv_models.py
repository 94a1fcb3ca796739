"""A small network of convolutions, one block of each kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from tests.small_models import ModelBuilder

# Real input; strides, dilations and uneven pads; two outputs a channel; a residual block.
WINDOWS: dict[str, dict[str, Any]] = {
    "plain": {"pads": [1, 1, 1, 1]},
    "strided": {"strides": [1, 2], "dilations": [2, 1], "pads": [1, 0, 1, 2]},
    "depthwise": {"pads": [1, 0, 1, 1], "group": 4},
    "residual": {"pads": [1, 1, 1, 1]},
}
NORMALIZED = ("depthwise", "residual")


def conv_model() -> onnx.ModelProto:
    """The four blocks, of which the last two normalize, and a classifier, on 2x6x5 and 4 classes."""
    b = ModelBuilder((2, 6, 5), seed=1)
    x = "input"
    for name, (c_in, c_out), kernel in zip(WINDOWS, ((2, 6), (6, 4), (4, 8), (8, 8)), ((3, 3), (2, 3), (3, 2), (3, 3))):
        window = WINDOWS[name]
        weight = b.weight(c_out, c_in // window.get("group", 1), *kernel)
        z = b.node("Conv", (x, weight, b.weight(c_out)), name, **window)
        if name in NORMALIZED:
            statistics = (b.vector(*np.linspace(0.5, 1.5, 8)), b.weight(8), b.weight(8), b.vector(*[1.0] * 8))
            z = b.node("BatchNormalization", (z, *statistics), f"{name}_norm")
        x = b.node("Relu", (b.node("Add", (z, x)) if name == "residual" else z,), f"{name}_relu")
    return b.model(b.dense(b.node("Flatten", (x,)), 8 * 18, 4, "fc"))
