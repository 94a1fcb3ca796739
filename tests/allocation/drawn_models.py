"""Networks by a seed: dense and convolutional, odd and even widths, 2 to 200 classes, with all ways to train them."""

from __future__ import annotations

import random
from typing import Any

import onnx

from tests.small_models import ModelBuilder, mlp

__all__ = ["BLOCKS_FROM", "INTEGERS_FROM", "LEARNED_FROM", "LEVELS_FROM", "REPEATED_FROM", "draw_case"]

# Networks from this number on have heads that learn, from this one on blocks of several layers, from this one on one block, which
# may compute activations again, from this one on latent weights of few bits, and from this one on activations of two bits.
LEARNED_FROM, BLOCKS_FROM, REPEATED_FROM, INTEGERS_FROM, LEVELS_FROM = 1000, 2000, 3000, 4000, 5000
_ACTIVATIONS = ("Relu", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish")


def draw_case(seed: int) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """A model, and options for its plan; seed 0 is the network whose plan was 25 % too small once."""
    if seed == 0:
        return mlp((64, 256, 256, 100)), {}
    rng = random.Random(seed)
    model = _dense(rng) if rng.random() < 0.5 else _convolutional(rng)
    options = {
        "batch": rng.choice((1, 2, 3, 8, 16, 32)),
        "optimizer": rng.choice(("sgd", "momentum", "adam")),
        "binarize": rng.choice(("both", "both", "weights", "none")),
        "head": "learned" if LEARNED_FROM <= seed < BLOCKS_FROM else rng.choice(("rademacher", "rademacher", "kaiming")),
        "head_pool": rng.choice(("grid", "average", "none")),
        "weight_scale": rng.choice(("row", "row", "tensor")),
        "schedule": rng.choice(("slice", "slice", "slice", "full")),
    }
    if seed >= LEVELS_FROM:
        options.update(block_layers=rng.choice(("1", "all")), binarize="both", activation_bits=2)
    elif seed >= INTEGERS_FROM:
        options.update(block_layers=rng.choice(("1", "all")), latent=rng.choice(("int8", "int12", "int16")))
    elif seed >= BLOCKS_FROM:
        options["block_layers"] = rng.choice(("2", "3", "all"))
    if REPEATED_FROM <= seed < INTEGERS_FROM:
        options.update(block_layers="all", binarize=rng.choice(("none", "weights")), recompute=rng.choice(("auto", "always")))
    return model, options


def _classes(rng: random.Random) -> int:
    return rng.choice((2, 3, 5, 10, 47, 100, 200))


def _dense(rng: random.Random) -> onnx.ModelProto:
    sizes = [rng.choice((rng.randint(3, 40), rng.randint(41, 300))) for _ in range(rng.randint(2, 4))]
    builder = ModelBuilder(tuple(sizes[:1]))
    x = "input"
    for n_in, n_out in zip(sizes, sizes[1:]):
        x = builder.node(rng.choice(_ACTIVATIONS), (builder.dense(x, n_in, n_out),))
    return builder.model(builder.dense(x, sizes[-1], _classes(rng)))


def _convolutional(rng: random.Random) -> onnx.ModelProto:
    channels, size = rng.randint(1, 4), rng.choice((8, 9, 12, 16))
    builder = ModelBuilder((channels, size, size))
    x = "input"
    for _ in range(rng.randint(1, 3)):
        kind, wider = rng.choice(("plain", "plain", "depthwise", "single", "residual")), rng.randint(2, 24)
        if kind == "depthwise":
            y = builder.conv(x, (channels, channels), group=channels)
        elif kind == "residual":
            y = builder.node("Add", (x, builder.conv(x, (channels, channels))))
        else:
            y, channels = builder.conv(x, (channels, wider), 1 if kind == "single" else 3), wider
        x = builder.node(rng.choice(_ACTIVATIONS), (y,))
        if size >= 8 and rng.random() < 0.5:
            x = builder.node(rng.choice(("MaxPool", "AveragePool")), (x,), kernel_shape=[2, 2], strides=[2, 2])
            size //= 2
    is_pooled = rng.random() < 0.7
    x = builder.node("Flatten", (builder.node("GlobalAveragePool", (x,)) if is_pooled else x,))
    return builder.model(builder.dense(x, channels if is_pooled else channels * size * size, _classes(rng)))
