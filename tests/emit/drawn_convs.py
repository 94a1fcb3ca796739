"""Random convolution blocks without binarization: what hypothesis draws, and what a block may own behind its layer.

As in :mod:`tests.emit.drawn_steps`, all numbers lie on a lattice, so that no finite difference steps over a kink: biases lie
1/8 beside multiples of 1/4, and what a kink or a maximum is taken of is a sum of few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from tests.emit.drawn_steps import StepCase
from tests.small_models import ModelBuilder
from tinyfoa_rt.ir.block import Slices

__all__ = ["CONV_ENDINGS", "conv_cases"]

Ending = Callable[[ModelBuilder, str, int], str]
CHANNELS = 4


def _normalized(b: ModelBuilder, z: str, positions: int) -> str:
    """Frozen batch normalization has no gradient of its own here: its statistics are state, and at momentum 1 they stay."""
    gain, shift, mean, variance = (
        b.vector(*values) for values in ((0.5, 0.25, -0.5, 0.5), (0, 1, 0, 1), (0, 1, 2, 0), (1, 2, 1, 4))
    )
    return b.node("BatchNormalization", (z, gain, shift, mean, variance), momentum=1.0)


def _pooled(b: ModelBuilder, z: str, positions: int) -> str:
    """Each position has an offset of its own, off the lattice: no two elements of a window are equal."""
    apart = b.node("Add", (z, b.vector(*(0.013 * position for position in range(positions)))))
    return b.node("MaxPool", (apart,), kernel_shape=[3], strides=[2], pads=[1, 1])


# What a block owns behind its layer, from the layer's output z (channels, n positions) on.
CONV_ENDINGS: Mapping[str, Ending] = {
    "nothing": lambda b, z, n: z,
    "relu": lambda b, z, n: b.node("Relu", (z,)),
    "clip": lambda b, z, n: b.node("Clip", (z, b.scalar(-1.0), b.scalar(2.0))),
    "upper clip": lambda b, z, n: b.node("Clip", (z, "", b.scalar(1.0))),
    "leaky relu": lambda b, z, n: b.node("LeakyRelu", (z,), alpha=0.2),
    "sigmoid": lambda b, z, n: b.node("Sigmoid", (z,)),
    "tanh": lambda b, z, n: b.node("Tanh", (z,)),
    "hard sigmoid": lambda b, z, n: b.node("HardSigmoid", (z,), alpha=0.25),
    "hard swish": lambda b, z, n: b.node("HardSwish", (z,)),
    "softmax": lambda b, z, n: b.node("Softmax", (z,), axis=1),
    "scaled": lambda b, z, n: b.node("Mul", (z, b.vector(0.5, -1, 2, 1.5, shape=(CHANNELS, 1)))),
    "scaled at once": lambda b, z, n: b.node("Mul", (b.scalar(1.5), z)),
    "divided": lambda b, z, n: b.node("Div", (z, b.vector(0.5, -1, 2, 1.5, shape=(1, CHANNELS, 1)))),
    "batch normalization": _normalized,
    "response normalization": lambda b, z, n: b.node(
        "LRN", (b.node("Unsqueeze", (z, b.ints(3))),), size=3, alpha=0.5, beta=0.6, bias=1.5
    ),
    "max pool": _pooled,
    "average pool": lambda b, z, n: b.node("AveragePool", (z,), kernel_shape=[3], strides=[2], pads=[1, 1]),
    "padded average pool": lambda b, z, n: b.node(
        "AveragePool", (z,), kernel_shape=[2], strides=[2], pads=[1, 0], ceil_mode=1, count_include_pad=1
    ),
    "global average pool": lambda b, z, n: b.node("GlobalAveragePool", (z,)),
    "mean of positions": lambda b, z, n: b.node("ReduceMean", (z, b.ints(2)), keepdims=0),
    "flattened, then clipped": lambda b, z, n: b.node("Clip", (b.node("Flatten", (z,)), b.scalar(-1.0), b.scalar(2.0))),
    "pool, flattened": lambda b, z, n: b.node("Flatten", (b.node("AveragePool", (z,), kernel_shape=[2]),)),
    "added to its input": lambda b, z, n: b.node("Add", (z, b.scalar(0.25))),
}


@st.composite
def conv_cases(draw: st.DrawFn, ending: str) -> StepCase:
    """The first block of conv - ending - dense: 1-D, so that windows, groups and slices are all there and little is computed."""
    group = draw(st.sampled_from([1, 1, 2, 4]))
    kernel, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    pads = [draw(st.integers(0, 1)), draw(st.integers(0, 2))]
    length = draw(st.integers(7, 9))
    builder = ModelBuilder((CHANNELS, length))
    weight, bias = builder.weight(CHANNELS, CHANNELS // group, kernel), builder.weight(CHANNELS)
    window: dict[str, Any] = {"strides": [stride], "dilations": [dilation], "pads": pads, "group": group}
    z = builder.node("Conv", ("input", weight, bias), "conv", **window)
    positions = (length + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1
    h = CONV_ENDINGS[ending](builder, z, positions)
    classes = draw(st.integers(2, 4))
    size = {
        "max pool": (positions - 1) // 2 + 1,
        "average pool": (positions - 1) // 2 + 1,
        "padded average pool": (positions + 2) // 2,
        "pool, flattened": positions - 1,
        "global average pool": 1,
        "mean of positions": 1,
    }.get(ending, positions)
    model = builder.model(builder.dense(builder.node("Flatten", (h,)), CHANNELS * size, classes, "fc"))
    recipe = {
        "num_outputs": classes,
        "loss": draw(st.sampled_from(["cross-entropy", "binary-cross-entropy", "mean-squared-error"])),
        "optimizer": draw(st.sampled_from(["sgd", "momentum"])),
        "head": draw(st.sampled_from(["rademacher", "kaiming", "learned"])),
        "binarize": "none",
        "head_pool": draw(st.sampled_from(["none", "average", "grid"])),
    }
    slices = Slices(*draw(st.sampled_from([(1, 1), (2, 2), (1, 3), (2, 1), (1, 2)])))
    return StepCase(model, 0, slices, recipe, draw(st.integers(1, 3)), draw(st.integers(0, 2**32 - 1)))
