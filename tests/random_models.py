"""Random models: chains of dense layers, or convolutions with pooling, branches and skips."""

from __future__ import annotations

import onnx
from hypothesis import strategies as st

from tests.small_models import ModelBuilder

__all__ = ["random_models"]

_ACTIVATIONS = st.sampled_from(["Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish"])


@st.composite
def random_models(draw: st.DrawFn) -> onnx.ModelProto:
    """A model with one to five layers."""
    return draw(_dense_models()) if draw(st.booleans()) else draw(_conv_models())


@st.composite
def _dense_models(draw: st.DrawFn) -> onnx.ModelProto:
    sizes = draw(st.lists(st.integers(1, 70), min_size=2, max_size=5))
    builder = ModelBuilder(sizes[:1])
    x = "input"
    for n_in, n_out in zip(sizes, sizes[1:]):
        x = builder.node(draw(_ACTIVATIONS), (builder.dense(x, n_in, n_out),))
    return builder.model(builder.dense(x, sizes[-1], draw(st.integers(2, 6))))


@st.composite
def _conv_models(draw: st.DrawFn) -> onnx.ModelProto:
    channels = draw(st.integers(1, 5))
    builder = ModelBuilder((channels, 8, 8))
    x, size = "input", 8
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.sampled_from(["plain", "depthwise", "residual", "projection", "branches"]))
        y, channels = _stage(builder, x, (channels, draw(st.integers(1, 9))), shape)
        x = builder.node(draw(_ACTIVATIONS), (y,))
        if size >= 4 and draw(st.booleans()):
            x = builder.node(draw(st.sampled_from(["MaxPool", "AveragePool"])), (x,), kernel_shape=[2, 2], strides=[2, 2])
            size //= 2
    x = builder.node("Flatten", (builder.node("GlobalAveragePool", (x,)),))
    return builder.model(builder.dense(x, channels, draw(st.integers(2, 6))))


def _stage(builder: ModelBuilder, x: str, channels: tuple[int, int], shape: str) -> tuple[str, int]:
    """One or more convolutions; return their result and its channels."""
    c_in, c_out = channels
    if shape == "depthwise":
        return builder.conv(x, (c_in, c_in), group=c_in), c_in
    if shape == "residual":
        return builder.node("Add", (x, builder.conv(x, (c_in, c_in)))), c_in
    if shape == "projection":
        return builder.node("Add", (builder.conv(x, channels, 1), builder.conv(x, channels))), c_out
    if shape == "branches":
        deep = builder.conv(builder.node("Relu", (builder.conv(x, channels),)), (c_out, c_out))
        return builder.node("Concat", (builder.conv(x, channels, 1), deep), axis=1), 2 * c_out
    return builder.conv(x, channels), c_out
