"""Inputs on which bodies of convolutions are compared with their references: 1-D and 2-D, strides, dilations, pads, groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tests.ops.body_cases import (
    BATCHES,
    CENTERED,
    EVERYTHING,
    FLOAT32,
    SIXTEEN_BITS,
    Array,
    BodyCase,
    bits,
    number,
    origin_of,
    real,
    signs,
)  # fmt: skip
from tests.ops.input_gradient_cases import input_gradients

__all__ = ["conv_cases"]


class Conv(NamedTuple):
    """A convolution, and a slice of it: inputs within a group, outputs."""

    image: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    channels: tuple[int, int]
    group: int
    ins: slice
    outs: slice

    @property
    def size(self) -> tuple[int, ...]:
        rank = len(self.image)
        reach = [self.dilations[a] * (self.kernel[a] - 1) + 1 for a in range(rank)]
        padded = [self.image[a] + self.pads[a] + self.pads[a + rank] for a in range(rank)]
        return tuple((padded[a] - reach[a]) // self.strides[a] + 1 for a in range(rank))

    @property
    def attributes(self) -> dict[str, Any]:
        window = {"kernel_shape": self.kernel, "strides": self.strides, "dilations": self.dilations, "pads": self.pads}
        return {**window, "group": self.group}

    @property
    def output_padding(self) -> tuple[int, ...]:
        """How much of the padded image is left over behind the last window."""
        rank = len(self.image)
        reach = [self.dilations[a] * (self.kernel[a] - 1) + 1 for a in range(rank)]
        return tuple((self.image[a] + self.pads[a] + self.pads[a + rank] - reach[a]) % self.strides[a] for a in range(rank))

    @property
    def taps(self) -> int:
        return int(np.prod(self.kernel))

    @property
    def label(self) -> str:
        return "x".join(map(str, self.kernel)) + f"-{self.channels[0]}to{self.channels[1]}by{self.group}"


CONVS = [
    Conv((5, 4), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), (2, 6), 1, slice(1, 2), slice(2, 5)),
    # Strides leave a column over, so the gradient is larger than the kernel; dilated, and padded unevenly.
    Conv((6, 7), (2, 3), (2, 3), (2, 1), (1, 0, 2, 1), (3, 5), 1, slice(0, 2), slice(3, 5)),
    Conv((9,), (3,), (2,), (1,), (1, 1), (4, 6), 1, slice(1, 4), slice(0, 4)),
    Conv((4, 3), (1, 1), (2, 1), (1, 1), (0, 0, 0, 0), (7, 5), 1, slice(2, 6), slice(1, 2)),
    Conv((5, 5), (3, 3), (2, 2), (1, 1), (0, 1, 1, 0), (5, 5), 5, slice(0, 1), slice(2, 4)),  # depthwise
    Conv((8,), (3,), (1,), (2,), (2, 2), (4, 8), 4, slice(0, 1), slice(5, 8)),  # depthwise, two outputs a channel
    Conv((4, 4), (2, 2), (1, 1), (1, 1), (0, 0, 1, 1), (6, 9), 3, slice(1, 2), slice(2, 5)),  # the slice has parts of two groups
]


def conv_cases() -> Iterator[BodyCase]:
    for batch in BATCHES:
        for seed, conv in enumerate(CONVS):
            rng = np.random.default_rng(10 * batch + seed)
            yield from _products(rng, conv, batch)
            yield from _gradients(rng, conv, batch)
            yield from _pieces(rng, conv, batch)
    rng = np.random.default_rng(0)
    for first, groups in ((0, 1), (5, 2), (8, 1)):
        attributes = {"group": 3, "group_outputs": 3, "slice_groups": groups}
        yield BodyCase(f"SliceGroups-{first}", "SliceGroups", (np.array([first]),), attributes)
    bounds = tuple(np.array([each]) for each in (1, 2, 1, 2))
    yield BodyCase("GroupInputs", "GroupInputs", (bits(rng, 2, 9, 4, 3), *bounds), {"group": 3})
    yield BodyCase("PlaceChannels", "PlaceChannels", (real(rng, 2, 3, 4, 5), np.array([1]), np.array([6])))
    yield BodyCase("PlaceChannels-1d", "PlaceChannels", (real(rng, 2, 3, 4), np.array([0]), np.array([3])))


def _split(w: Array, conv: Conv) -> tuple[Array, Array]:
    """The slice of a weight, and the weight with zeros in its place."""
    rest = w.copy()
    view = rest.reshape(conv.taps, -1, conv.channels[1])
    part = view[:, conv.ins, conv.outs].copy()
    view[:, conv.ins, conv.outs] = 0
    return part.reshape(-1, part.shape[-1]), rest


def _products(rng: np.random.Generator, conv: Conv, batch: int) -> Iterator[BodyCase]:
    channels, outputs = conv.channels
    w = rng.uniform(-1, 1, (conv.taps * channels // conv.group, outputs)).astype(np.float32)
    bias, x = real(rng, outputs), real(rng, batch, channels, *conv.image)
    part, w_rest = _split(w, conv)
    _, sign_rest = _split(signs(w), conv)
    bias_rest = bias.copy()
    bias_rest[conv.outs] = 0
    sums, part_sums, rest_sums = (np.abs(each).sum(axis=0) for each in (w, part, w_rest))
    slice_of = (bias[conv.outs].copy(), origin_of(conv.ins, conv.outs))
    for precision in ("Sign", "Binary"):
        given = x if precision == "Sign" else bits(rng, batch, channels, *conv.image)
        x_scale = number(1 if precision == "Sign" else 0.7)
        whole = (given, signs(w), bias, None, None, None, sums, None, x_scale)
        sliced = (given, sign_rest, bias_rest, signs(part), *slice_of, rest_sums, part_sums, x_scale)
        tolerance = SIXTEEN_BITS if precision == "Sign" else FLOAT32
        for alpha, variant in (("row", ()), ("tensor", ("tensor_alpha",))):
            attributes, op = {**conv.attributes, "alpha": alpha}, f"{precision}Conv"
            label = f"{alpha}-{conv.label}-{batch}"
            yield BodyCase(f"{op}-{label}", op, whole, attributes, frozenset(variant), tolerance)
            yield BodyCase(f"{op}-sliced-{label}", op, sliced, attributes, frozenset({"sliced", *variant}), tolerance)
    label = f"{conv.label}-{batch}"
    yield BodyCase(f"RealConv-{label}", "RealConv", (x, w, bias, *[None] * 6), conv.attributes)
    real_sliced = (x, w_rest, bias_rest, part, *slice_of, None, None, None)
    yield BodyCase(f"RealConv-sliced-{label}", "RealConv", real_sliced, conv.attributes, frozenset({"sliced"}))
    if conv.group == 1:
        yield from _pooled(rng, conv, batch, (x, w, bias, *[None] * 6), real_sliced)
    grad_z = real(rng, batch, outputs, *conv.size)
    attributes = {**conv.attributes, "input_shape": (batch, channels, *conv.image), "output_padding": conv.output_padding}
    whole_w = ((w, None), (signs(w), sums))
    apart_w = ((w_rest, part, None, None), (sign_rest, signs(part), rest_sums, part_sums))
    yield from input_gradients("Conv", grad_z, whole_w, apart_w, slice_of[1], attributes)


def _pooled(
    rng: np.random.Generator, conv: Conv, batch: int, whole: tuple[Array | None, ...], sliced: tuple[Array | None, ...]
) -> Iterator[BodyCase]:
    """Windows of two, of which the last ones may reach beyond the end."""
    rank, outputs = len(conv.size), conv.channels[1]
    size = tuple(-(-length // 2) for length in conv.size)
    pool = {"kernel_shape": (2,) * rank, "strides": (2,) * rank, "dilations": (1,) * rank, "pads": (0,) * 2 * rank}
    given = {"pool_" + name: value for name, value in {**pool, "ceil_mode": 1, "output_size": size}.items()}
    label, attributes = f"{conv.label}-{batch}", {**conv.attributes, **given}
    yield BodyCase(f"RealConvMaxPool-{label}", "RealConvMaxPool", whole, attributes)
    yield BodyCase(f"RealConvMaxPool-sliced-{label}", "RealConvMaxPool", sliced, attributes, frozenset({"sliced"}))
    places = rng.integers(0, np.prod(conv.size), (batch, outputs, *size)).astype(np.uint16)
    shape = {"input_shape": (batch, outputs, *conv.size)}
    yield BodyCase(f"PooledErrors-{label}", "PooledErrors", (real(rng, batch, outputs, *size), places), shape)


def _gradients(rng: np.random.Generator, conv: Conv, batch: int) -> Iterator[BodyCase]:
    channels, outputs = conv.channels
    count, group_outputs = conv.outs.stop - conv.outs.start, outputs // conv.group
    touched = -(-conv.outs.stop // group_outputs) - conv.outs.start // group_outputs
    variants = frozenset({"grouped"} if conv.group > 1 else set())
    shape = (conv.taps * (conv.ins.stop - conv.ins.start), count)
    common = {**conv.attributes, "group_outputs": group_outputs, "slice_shape": shape, "bias_size": count}
    for x, scale in ((real(rng, batch, channels, *conv.image), 1.0), (bits(rng, batch, channels, *conv.image), 0.7)):
        for has_all_rows, rows in ((0, count), (1, outputs)):
            attributes = {**common, "has_all_rows": has_all_rows, "slice_groups": touched}
            given = (real(rng, batch, rows, *conv.size), x, number(scale), origin_of(conv.ins, conv.outs))
            label = f"{x.dtype}-{conv.label}-{rows}-{batch}"
            yield BodyCase(f"ConvSliceGrad-{label}", "ConvSliceGrad", given, attributes, variants)
            if x.dtype == np.uint8:
                centered = {**attributes, "input_center": 0.5}
                yield BodyCase(f"ConvSliceGrad-centered-{label}", "ConvSliceGrad", given, centered, variants | CENTERED)
    whole = (real(rng, batch, outputs, *conv.size), x, number(0.7), EVERYTHING)
    everything = {**common, "has_all_rows": 1, "slice_groups": conv.group}
    yield BodyCase(f"ConvSliceGrad-whole-{conv.label}-{batch}", "ConvSliceGrad", whole, everything, variants)
    if conv.group > 1:  # a block may have convolutions with and without groups, and one body for both
        return
    label = f"ConvSliceGrad-grouped-{conv.label}-{batch}"
    yield BodyCase(label, "ConvSliceGrad", whole, everything, frozenset({"grouped"}))


def _pieces(rng: np.random.Generator, conv: Conv, batch: int) -> Iterator[BodyCase]:
    label, kernel_shape = f"{conv.label}-{batch}", {"kernel_shape": conv.kernel}
    outputs, row_size = conv.channels[1], conv.taps * conv.channels[0] // conv.group
    w = signs(real(rng, row_size, outputs))
    part, rest = _split(w, conv)
    yield BodyCase(f"ConvKernel-{label}", "ConvKernel", (w,), kernel_shape)
    yield BodyCase(f"MergeSlice-{label}", "MergeSlice", (rest, part, origin_of(conv.ins, conv.outs)), kernel_shape)
    x = real(rng, batch, conv.channels[0], *conv.image)
    kernel = signs(real(rng, outputs, conv.channels[0] // conv.group, *conv.kernel)).astype(np.float32)
    yield BodyCase(f"ConvSixteenBits-{label}", "ConvSixteenBits", (x, kernel), conv.attributes)
    z = real(rng, batch, outputs, *conv.size)
    yield BodyCase(f"ShiftChannels-{label}", "ShiftChannels", (z, real(rng, outputs), real(rng, outputs)))
    yield BodyCase(f"SumPositions-{label}", "SumPositions", (z,))
    yield BodyCase(f"ExchangeChannels-{label}", "ExchangeChannels", (bits(rng, batch, 3, *conv.image),))
    grads = real(rng, 3, outputs, *(length + 1 for length in conv.kernel))
    yield BodyCase(f"KernelToMatrix-{label}", "KernelToMatrix", (grads,), kernel_shape)
    sums = np.rint(9 * z).astype(np.float32)
    for alpha, variant in (("row", ()), ("tensor", ("tensor_alpha",))):
        given = (sums, w, rng.uniform(1, 9, outputs).astype(np.float32), number(0.7), real(rng, outputs))
        yield BodyCase(f"ScaleChannelSums-{alpha}-{label}", "ScaleChannelSums", given, {"alpha": alpha}, frozenset(variant))
