"""Whole networks by a seed, trained as one block or in blocks of several layers: dense, on images and signals, and local ones."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import onnx

from tests.emit.drawn_steps import StepCase
from tests.small_models import ModelBuilder
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.zoo.build import assemble, lay_out
from tinyfoa_rt.zoo.spec import LayerSpec, ModelSpec

__all__ = ["KINDS", "draw_network"]

KINDS = ("dense", "image", "signal", "local")
_ACTIVATIONS = ("Relu", "Relu", "LeakyRelu", "HardSwish", "Sigmoid", "Tanh")
_STAGES = ("plain", "grouped", "depthwise", "strided", "dilated", "residual", "projection", "branches")


def draw_network(kind: str, seed: int, **recipe: Any) -> StepCase:
    """A network of a kind, one block of it, and how its step cuts and measures it; ``recipe`` has what shall not be drawn."""
    rng = random.Random(f"{kind} {seed}")
    classes = rng.randint(2, 4)
    draw = {"dense": _dense, "image": _convolutional, "signal": _convolutional, "local": _local}[kind]
    model = draw(rng, classes) if kind != "signal" else _convolutional(rng, classes, rank=1)
    products = [node.name for node in model.graph.node if node.op_type in ("Gemm", "Conv", "LocallyConnected")]
    # All layers; the first and the last with frozen ones between; the last two; all but the classifier, with a head behind them.
    cuts = [("all", 0, "all"), ("2", -1, "all"), (products[-2], 0, "all")]
    if kind != "local":  # a frozen locally connected layer hands no error back
        cuts.append(("all", 0, f"{products[0]},{products[-1]}"))
    block_layers, index, train = rng.choice(cuts)
    chosen = {
        "num_outputs": classes,
        "binarize": "none",
        "optimizer": rng.choice(("sgd", "momentum")),
        "loss": rng.choice(("cross-entropy", "binary-cross-entropy", "mean-squared-error")),
        "head": "kaiming",  # signs may be the same for all classes, whose errors add up to nothing
        "head_pool": rng.choice(("none", "average")),
        **recipe,
    }
    slices = Slices(*rng.choice(((1, 1), (2, 2), (3, 2), (2, 3))))
    return StepCase(model, index, slices, chosen, rng.randint(1, 4), seed, block_layers, train)


def _dense(rng: random.Random, classes: int) -> onnx.ModelProto:
    """Three to five layers; some add what they have read."""
    size = rng.randint(3, 8)
    builder, x = ModelBuilder((size,)), "input"
    for _ in range(rng.randint(2, 4)):
        if rng.random() < 0.3:
            z = builder.node("Add", (builder.dense(x, size, size), x))
        else:
            wider = rng.randint(3, 8)
            z, size = builder.dense(x, size, wider), wider
        x = builder.node(rng.choice(_ACTIVATIONS), (z,))
    return builder.model(builder.dense(x, size, classes))


class _Images:
    """Convolutions one after the other, over one axis or two, and what is known of the value that they have come to."""

    def __init__(self, rng: random.Random, rank: int) -> None:
        self.rng = rng
        self.channels = 2 * rng.randint(1, 2)
        self.size = [rng.randint(7, 9) for _ in range(rank)]
        self.builder = ModelBuilder((self.channels, *self.size))
        self.x = "input"

    def conv(self, x: str, channels: tuple[int, int], kernel: Sequence[int], pads: Sequence[int] = (), **window: Any) -> str:
        c_in, c_out = channels
        weight = self.builder.weight(c_out, c_in // window.get("group", 1), *kernel)
        edges = list(pads or [length // 2 for length in kernel] * 2)
        return self.builder.node("Conv", (x, weight, self.builder.weight(c_out)), pads=edges, **window)

    def same(self, c_in: int, c_out: int) -> str:
        """A convolution that keeps the size."""
        return self.conv(self.x, (c_in, c_out), [3] * len(self.size))

    def single(self, c_out: int) -> str:
        return self.conv(self.x, (self.channels, c_out), [1] * len(self.size))

    def stage(self, shape: str) -> None:
        builder, channels, wider = self.builder, self.channels, 2 * self.rng.randint(1, 3)
        if shape == "residual":
            self.x = builder.node("Add", (self.x, self.same(channels, channels)))
        elif shape == "projection":
            self.x, self.channels = builder.node("Add", (self.single(wider), self.same(channels, wider))), wider
        elif shape == "branches":
            short, first = self.single(wider), builder.node("Relu", (self.same(channels, wider),))
            deep = self.conv(first, (wider, wider), [3] * len(self.size))
            self.x, self.channels = builder.node("Concat", (short, deep), axis=1), 2 * wider
        else:
            self._window(shape, channels if shape == "depthwise" else wider)
        if self.rng.random() < 0.2:
            self._normalize()
        self.x = builder.node(self.rng.choice(_ACTIVATIONS), (self.x,))

    def _normalize(self) -> None:
        """At momentum 1 running statistics stay: as constants of the gradient they must not follow the batch."""
        gain, *others = (self.builder.weight(self.channels) for _ in range(3))
        given = (self.x, gain, *others, self.builder.vector(*[1.0] * self.channels))
        self.x = self.builder.node("BatchNormalization", given, momentum=1.0)

    def _window(self, shape: str, c_out: int) -> None:
        """A convolution whose window moves in some way."""
        rank, rng = len(self.size), self.rng
        strides = [2 if shape == "strided" else 1] * rank
        dilations = [2 if shape == "dilated" else 1] * rank
        kernel = [rng.randint(1, min(3, (length + 1) // 2)) for length in self.size]  # it fits, also dilated
        pads = [rng.randint(0, 1) for _ in range(2 * rank)]
        group = {"grouped": 2, "depthwise": self.channels}.get(shape, 1)
        reach = [dilations[a] * (kernel[a] - 1) + 1 for a in range(rank)]
        after = [(self.size[a] + pads[a] + pads[a + rank] - reach[a]) // strides[a] + 1 for a in range(rank)]
        window = {"strides": strides, "dilations": dilations, "group": group}
        self.x = self.conv(self.x, (self.channels, c_out), kernel, pads, **window)
        self.channels, self.size = c_out, after

    def pool(self) -> None:
        rank = len(self.size)
        op_type = self.rng.choice(("MaxPool", "AveragePool"))
        self.x = self.builder.node(op_type, (self.x,), kernel_shape=[2] * rank, strides=[2] * rank)
        self.size = [length // 2 for length in self.size]


def _convolutional(rng: random.Random, classes: int, rank: int = 2) -> onnx.ModelProto:
    images = _Images(rng, rank)
    for _ in range(rng.randint(2, 3)):
        images.stage(rng.choice(_STAGES))
        if min(images.size) >= 6 and rng.random() < 0.4:
            images.pool()
    features = images.channels * math.prod(images.size)
    if rng.random() < 0.5:
        images.x, features = images.builder.node("GlobalAveragePool", (images.x,)), images.channels
    return images.builder.model(images.builder.dense(images.builder.node("Flatten", (images.x,)), features, classes))


def _local(rng: random.Random, classes: int) -> onnx.ModelProto:
    image = [rng.randint(4, 5), rng.randint(4, 5)]
    size, layers = image, list[LayerSpec]()
    for number in (1, 2):
        kernel, strides = [rng.randint(1, 2) for _ in size], [rng.randint(1, 2) for _ in size]
        pads = [rng.randint(0, 1) for _ in range(4)]
        size = [(size[a] + pads[a] + pads[a + 2] - kernel[a]) // strides[a] + 1 for a in (0, 1)]
        window = {"channels": rng.randint(2, 4), "kernel": kernel, "strides": strides, "pads": pads}
        layers += [LayerSpec("locally_connected", f"lc{number}", None, window), LayerSpec("relu", f"relu{number}", None, {})]
    layers += [LayerSpec("flatten", "flatten", None, {}), LayerSpec("dense", "fc", None, {"units": classes})]
    spec = ModelSpec("local", "A drawn net", (rng.randint(2, 3), *image), 1, tuple(layers))
    return assemble(spec, lay_out(spec, "local"))
