"""A small locally connected network."""

from __future__ import annotations

from typing import Any

import onnx

from tinyfoa_rt.zoo.build import assemble, lay_out
from tinyfoa_rt.zoo.spec import LayerSpec, ModelSpec

# The second block's output is flattened, and its windows skip and reach over the edge.
WINDOWS: list[dict[str, Any]] = [
    {"channels": 6, "kernel": [3, 3]},
    {"channels": 5, "kernel": [2, 3], "strides": [1, 2], "pads": [1, 0, 0, 2]},
]


def local_net() -> onnx.ModelProto:
    """lc1 - Relu - lc2 - Relu - Flatten - fc, on 2x6x5 and 4 classes."""
    layers = []
    for number, window in enumerate(WINDOWS, 1):
        layers += [LayerSpec("locally_connected", f"lc{number}", None, window), LayerSpec("relu", f"relu{number}", None, {})]
    layers += [LayerSpec("flatten", "flatten", None, {}), LayerSpec("dense", "fc", None, {"units": 4})]
    spec = ModelSpec("local", "A small locally connected net", (2, 6, 5), 1, tuple(layers))
    return assemble(spec, lay_out(spec, "local"))
