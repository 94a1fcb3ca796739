"""A small network from one line: ``conv6k3,max2,conv12k3,max2`` on images of 1x14x14.

``conv6k3s2p1`` is a convolution of 6 channels with a window of 3, a stride of 2 and pads of 1; ``max2`` and ``mean2`` are pools;
``dense36`` is a layer of 36 units. A ReLU follows each trained layer, behind its pool where a maximum is taken: there it gives
the same and reads a quarter. The classifier comes last and is not named. Where the input has one row, windows have one too.
"""

from __future__ import annotations

import re

import onnx

from tinyfoa_rt.zoo.build import assemble, lay_out
from tinyfoa_rt.zoo.spec import LayerSpec, ModelSpec

__all__ = ["build_network"]

_PART = re.compile(r"(?P<kind>conv|max|mean|dense)(?P<size>\d+)(?:k(?P<kernel>\d+))?(?:s(?P<stride>\d+))?(?:p(?P<pad>\d+))?")


def build_network(line: str, input_shape: tuple[int, ...], num_classes: int, seed: int) -> onnx.ModelProto:
    """Return the network, He-initialised by ``seed``.

    Args:
        line: the layers, as the module says; empty for a classifier alone.
        input_shape: (channels, height, width).
        num_classes: units of the classifier.
        seed: of its weights.

    Raises:
        ValueError: a part of the line is no layer.
    """
    layers: list[LayerSpec] = []
    is_flat = False
    parts = line.split(",") if line else []
    for number, part in enumerate(parts, 1):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(f"'{part}' is no layer: write conv6k3, max2, mean2 or dense36")
        kind, size = found["kind"], int(found["size"])
        if kind == "dense":
            if not is_flat:
                layers.append(LayerSpec("flatten", f"flat{number}", None, {}))
            layers.append(LayerSpec("dense", f"fc{number}", None, {"units": size}))
            is_flat = True
        elif kind == "conv":
            layers.append(LayerSpec("conv", f"conv{number}", None, {"channels": size, **_window(found, input_shape)}))
        else:
            window = _square(size, input_shape)
            pool = "max_pool" if kind == "max" else "average_pool"
            layers.append(LayerSpec(pool, f"pool{number}", None, {"kernel": window, "strides": window}))
        waits = kind == "conv" and number < len(parts) and parts[number].startswith("max")
        if not waits and kind != "mean":
            layers.append(LayerSpec("relu", f"relu{number}", None, {}))
    if not is_flat:
        layers.append(LayerSpec("flatten", "flat", None, {}))
    layers.append(LayerSpec("dense", "classifier", None, {"units": num_classes}))
    spec = ModelSpec("frontier", f"{line or 'a classifier'} of {num_classes} classes", input_shape, seed, tuple(layers))
    return assemble(spec, lay_out(spec, f"network '{line}'"))


def _window(found: re.Match[str], input_shape: tuple[int, ...]) -> dict[str, list[int]]:
    kernel, stride, pad = (int(found[name] or default) for name, default in (("kernel", 3), ("stride", 1), ("pad", 0)))
    pads = _square(pad, input_shape, alone=0)
    return {"kernel": _square(kernel, input_shape), "strides": _square(stride, input_shape), "pads": pads * 2}


def _square(size: int, input_shape: tuple[int, ...], alone: int = 1) -> list[int]:
    """``size`` along both axes, or along the second one of a signal."""
    return [alone if input_shape[1] == 1 else size, size]
