"""Inputs on which the bodies of gradients through standard operators, and of biases alone, are compared with their references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.ops.body_cases import BATCHES, EVERYTHING, FLOAT32, Array, BodyCase, Tolerance, number, origin_of, real

__all__ = ["vjp_cases"]

# x^2 up to 9 is averaged in float32, and the mean's square is taken off: 9 * 6e-8 of a variance of 1/2 at the least.
MOMENTS = Tolerance(1e-5, 1e-5, "a variance is the difference of float32 means")

PART = origin_of(slice(0, 4), slice(1, 3))
# Kernel, strides, dilations, pads, and how far the last window reaches beyond the padded image (with ceil_mode).
POOLS: list[tuple[tuple[int, ...], ...]] = [
    ((2, 2), (2, 2), (1, 1), (0, 0, 0, 0), (0, 0)),
    ((3, 2), (1, 2), (1, 1), (1, 0, 1, 1), (0, 0)),
    ((2, 3), (2, 1), (1, 2), (0, 2, 1, 2), (0, 0)),
    ((2, 2), (2, 3), (1, 1), (0, 0, 0, 0), (1, 0)),
    ((3,), (2,), (1,), (1, 1), (0,)),
    ((2,), (2,), (1,), (0, 0), (1,)),
]


def vjp_cases() -> Iterator[BodyCase]:
    for batch in BATCHES:
        rng = np.random.default_rng(batch)
        for shape in ((batch, 5), (batch, 4, 6), (batch, 3, 2, 5)):
            yield from _elementwise(rng, shape)
            yield from _channels(rng, shape)
            yield from _biases(rng, shape)
        yield from _pools(rng, batch)


def _elementwise(rng: np.random.Generator, shape: tuple[int, ...]) -> Iterator[BodyCase]:
    label = f"{len(shape)}d-{shape[0]}"
    z = 2 * real(rng, *shape)
    z.reshape(-1)[:3] = (0, 0.5, -0.5)
    saved = {
        "ClipGrad": (z.clip(-0.5, 0.5), {"min": -0.5, "max": 0.5}),
        "LeakyReluGrad": (np.where(z > 0, z, np.float32(0.2) * z), {"alpha": 0.2}),
        "SigmoidGrad": (1 / (1 + np.exp(-z)), {}),
        "TanhGrad": (np.tanh(z), {}),
        "HardSigmoidGrad": ((np.float32(0.3) * z + np.float32(0.5)).clip(0, 1), {"alpha": 0.3}),
        "HardSwishGrad": (2 * z, {}),
        "SavedChannels": (z, {}),
    }
    for op, (value, attributes) in saved.items():
        inputs = (value.astype(np.float32), real(rng, shape[0], 2, *shape[2:]), PART)
        given = inputs if op == "SavedChannels" else (inputs[1], inputs[0], PART)
        yield BodyCase(f"{op}-{label}", op, given, attributes)
        whole = (real(rng, *shape), value.astype(np.float32), EVERYTHING)
        if op != "SavedChannels":
            yield BodyCase(f"{op}-whole-{label}", op, whole, attributes)
    for bounds in ({"min": 0.0, "max": 3.4028234663852886e38}, {"min": -0.5, "max": 0.5}):
        yield BodyCase(f"PassMask-{bounds['min']:g}-{label}", "PassMask", (z.clip(bounds["min"], bounds["max"]),), bounds)
    yield BodyCase(f"ClipGrad-upper-{label}", "ClipGrad", (real(rng, *shape), z.clip(None, 6), EVERYTHING), {"max": 6.0})
    for axis in (1, -1):
        powers = np.exp(z)
        y = (powers / powers.sum(axis=axis, keepdims=True)).astype(np.float32)
        yield BodyCase(f"SoftmaxGrad-{axis}-{label}", "SoftmaxGrad", (real(rng, *shape), y, EVERYTHING), {"axis": axis})


def _biases(rng: np.random.Generator, shape: tuple[int, ...]) -> Iterator[BodyCase]:
    """One a channel, at all positions; and one an element, as locally connected layers have."""
    label, sizes = f"{len(shape)}d-{shape[0]}", shape[1:]
    channels, elements = sizes[0], int(np.prod(sizes))
    for count, bias_shape in ((channels, (channels, *(1,) * len(sizes[1:]))), (elements, sizes)):
        added = (real(rng, *shape), real(rng, 1, count))
        yield BodyCase(f"AddBias-{count}-{label}", "AddBias", added, {"bias_shape": bias_shape})
        summed = {"slice_shape": (1, count), "split": (-1, count, elements // count)}
        yield BodyCase(f"BiasGrad-{count}-{label}", "BiasGrad", (real(rng, *shape),), summed)


def _channels(rng: np.random.Generator, shape: tuple[int, ...]) -> Iterator[BodyCase]:
    label, channels, ones = f"{len(shape)}d-{shape[0]}", shape[1], (1,) * (len(shape) - 2)
    gain, shift, mean = (real(rng, channels) for _ in range(3))
    variance = rng.uniform(0.5, 2, channels).astype(np.float32)
    part_grad, grad = real(rng, shape[0], 2, *shape[2:]), real(rng, *shape)
    for given, origin, name in ((part_grad, PART, "part"), (grad, EVERYTHING, "whole")):
        inputs: tuple[Array, ...] = (given, gain, variance, origin)
        yield BodyCase(f"BatchNormalizationGrad-{name}-{label}", "BatchNormalizationGrad", inputs, {"epsilon": 1e-3})
        yield BodyCase(f"ShiftSgdStep-{name}-{label}", "ShiftSgdStep", (shift, given, number(0.3), origin), {"share": 0.4})
        for exponent in (1.0, -1.0):
            factor = rng.uniform(0.5, 2, (1, channels, *ones)).astype(np.float32)
            scaled, kept = (given, factor, origin), {"exponent": exponent}
            yield BodyCase(f"ChannelScaleGrad-{name}-{exponent:g}-{label}", "ChannelScaleGrad", scaled, kept)
    single = (grad, number(1.5).reshape((1,) * len(shape)), EVERYTHING)
    yield BodyCase(f"ChannelScaleGrad-single-{label}", "ChannelScaleGrad", single)
    flat_grad, flat_part = real(rng, shape[0], 6), origin_of(slice(0, 1), slice(1, 3))
    flat = (flat_grad, real(rng, 12), rng.uniform(0.5, 2, 12).astype(np.float32), flat_part)
    yield BodyCase(f"BatchNormalizationGrad-flattened-{label}", "BatchNormalizationGrad", flat, {"channel_size": 3})
    flat_shift = (real(rng, 12), flat_grad, number(0.3), flat_part)
    yield BodyCase(f"ShiftSgdStep-flattened-{label}", "ShiftSgdStep", flat_shift, {"channel_size": 3})
    for op in ("ClipGrad", "SigmoidGrad", "ChannelScaleGrad"):
        saved = real(rng, 1 if op == "ChannelScaleGrad" else shape[0], 12)
        yield BodyCase(f"{op}-flattened-{label}", op, (flat_grad, saved, flat_part), {"channel_size": 3})
    for momentum in (0.9, 0.0, 0.99):
        given_norm = (real(rng, *shape) + 1, gain, shift, mean, variance)
        attributes: dict[str, Any] = {"momentum": momentum, "epsilon": 1e-3}
        op = "RunningBatchNormalization"
        if momentum or len(shape) > 2:  # one sample alone has no variance
            yield BodyCase(f"{op}-{momentum:g}-{label}", op, given_norm, attributes, tolerance=MOMENTS)
    followed = (real(rng, *shape) + 1, gain, shift, mean, variance)
    yield BodyCase(f"FollowedBatchNormalization-{label}", "FollowedBatchNormalization", followed, {"epsilon": 1e-3})
    for size in (1, 3, 4):
        yield BodyCase(f"SumNeighbours-{size}-{label}", "SumNeighbours", (grad, np.array((size - 1) // 2), np.array(size // 2)))
        x = real(rng, *shape)
        attributes = {"alpha": 0.5, "beta": 0.6, "bias": 1.5, "size": size}
        energy = np.stack([(x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1] ** 2).sum(axis=1) for c in range(channels)], 1)
        y = (x * (1.5 + 0.5 / size * energy) ** -0.6).astype(np.float32)
        yield BodyCase(f"LRNGrad-{size}-{label}", "LRNGrad", (grad, x, y), attributes)


def _pools(rng: np.random.Generator, batch: int) -> Iterator[BodyCase]:
    for number_of, (kernel, strides, dilations, pads, overhang) in enumerate(POOLS):
        rank, size = len(kernel), (7, 6)[: len(kernel)]
        reach = [dilations[a] * (kernel[a] - 1) + 1 for a in range(rank)]
        padded = [size[a] + pads[a] + pads[a + rank] + overhang[a] for a in range(rank)]
        out = tuple((padded[a] - reach[a]) // strides[a] + 1 for a in range(rank))
        unreached = tuple((padded[a] - reach[a]) % strides[a] for a in range(rank))
        window: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}
        x = rng.integers(-2, 3, (batch, 4, *size)).astype(np.float32)  # windows with equal elements
        grad = real(rng, batch, 2, *out)
        label = f"{number_of}-{batch}"
        whole_window = {**window, "ceil_mode": int(any(overhang))}
        y = real(rng, batch, 4, *out)  # is not read
        yield BodyCase(f"MaxPoolGrad-{label}", "MaxPoolGrad", (grad, x, y, PART), whole_window)
        yield BodyCase(f"MaxPlaces-{label}", "MaxPlaces", (x,), {**whole_window, "output_size": out})
        taken = rng.integers(0, np.prod(size), (batch, 4, *out)).astype(np.uint16)
        whole_grad, image_shape = real(rng, batch, 4, *out), {"input_shape": (batch, 4, *size)}
        yield BodyCase(f"MaxPlacesGrad-{label}", "MaxPlacesGrad", (whole_grad, taken), image_shape)
        for includes in (0, 1):
            mean = {**window, "overhang": overhang, "count_include_pad": includes, "input_shape": (batch, 2, *size)}
            given = (grad, PART)
            yield BodyCase(f"AveragePoolGrad-{includes}-{label}", "AveragePoolGrad", given, {**mean, "unreached": unreached})
            yield BodyCase(f"WindowCounts-{includes}-{label}", "WindowCounts", (), mean)
        positions = {"input_shape": (batch, 9, *size)}
        for name, rest in (("", (1,) * rank), ("-flat", ())):
            pooled = (real(rng, batch, 2, *rest), PART)
            yield BodyCase(f"GlobalAveragePoolGrad{name}-{label}", "GlobalAveragePoolGrad", pooled, positions)
        yield BodyCase(f"SpreadChannels-{label}", "SpreadChannels", (real(rng, batch, 2), np.array(size)), {}, tolerance=FLOAT32)
