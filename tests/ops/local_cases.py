"""Inputs on which the bodies of locally connected layers are compared with their references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tests.ops.body_cases import (
    BATCHES,
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

__all__ = ["local_cases"]


class Window(NamedTuple):
    image: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]

    @property
    def size(self) -> tuple[int, ...]:
        return tuple((self.image[a] + self.pads[a] + self.pads[a + 2] - self.kernel[a]) // self.strides[a] + 1 for a in (0, 1))

    @property
    def attributes(self) -> dict[str, Any]:
        return {"kernel_shape": self.kernel, "strides": self.strides, "pads": self.pads}


WINDOWS = [
    Window((5, 4), (3, 3), (1, 1), (0, 0, 0, 0)),
    Window((5, 6), (2, 3), (2, 1), (1, 0, 2, 1)),
    Window((3, 3), (1, 1), (1, 1), (0, 0, 0, 0)),
]


def local_cases() -> Iterator[BodyCase]:
    for number_of, window in enumerate(WINDOWS):
        for batch in BATCHES:
            rng = np.random.default_rng(10 * batch + number_of)
            for channels, ins, outs in ((5, slice(2, 5), slice(1, 4)), (1, slice(0, 1), slice(3, 5))):
                yield from _products(rng, window, (batch, channels), (ins, outs))
                yield from _gradients(rng, window, (batch, channels), (ins, outs))
            yield from _pieces(rng, window, batch)
    for batch in BATCHES:
        yield from _pooled_heads(np.random.default_rng(batch), batch)
    rng = np.random.default_rng(0)
    for counts, step in (((3, 5), (2, 1)), ((1, 4), (1,))):
        given = (np.array(counts), np.array(step))
        yield BodyCase(f"WindowSteps-{counts}", "WindowSteps", given)
    head_grad = (real(rng, 7, 4), rng.choice((-1, 1), (4, 30)).astype(np.int8), origin_of(slice(0, 9), slice(2, 4)))
    for shape in ((7, 2, 3, 2), (7, 12)):
        attributes = {"output_shape": shape, "gain": 0.3, "channel_units": 6}
        yield BodyCase(f"HeadGrad-channels-{len(shape)}d", "HeadGrad", head_grad, attributes)
    for op, saved in (("StraightThroughGrad", bits(rng, 7, 30)), ("ReluGrad", real(rng, 7, 30))):
        flat = (real(rng, 7, 12), saved, origin_of(slice(0, 9), slice(2, 4)))
        yield BodyCase(f"{op}-flattened", op, flat, {"channel_size": 6})


def _pooled_heads(rng: np.random.Generator, batch: int) -> Iterator[BodyCase]:
    classes, channels, part = 4, 9, origin_of(slice(0, 5), slice(2, 6))
    signed, pooled = rng.choice((-1, 1), (classes, channels)).astype(np.int8), frozenset({"pooled"})
    for positions in ((3, 2), (5,), (1, 1)):
        label = f"pooled-{len(positions)}d-{np.prod(positions)}-{batch}"
        kind: dict[str, Any] = {"gain": 0.3, "pools": 1}
        given = (bits(rng, batch, channels, *positions), number(0.6), signed)
        yield BodyCase(f"HeadLogits-{label}", "HeadLogits", given, {"num_classes": classes, **kind}, pooled)
        stored = (real(rng, batch, channels, *positions), number(1), real(rng, classes, channels))
        yield BodyCase(f"HeadLogits-real-{label}", "HeadLogits", stored, {"num_classes": classes, **kind}, pooled)
        grad = real(rng, batch, classes)
        for seen in (given, stored):
            learnt = (grad, *seen[:2], real(rng, batch, channels, *positions))
            yield BodyCase(f"HeadWeightGrad-{seen[0].dtype}-{label}", "HeadWeightGrad", learnt, kind, pooled)
        sliced = {"output_shape": (batch, 4, *positions), **kind}
        yield BodyCase(f"HeadGrad-{label}", "HeadGrad", (grad, signed, part), sliced, pooled)
        whole = {"output_shape": (batch, channels, *positions), **kind}
        everything = (grad, real(rng, classes, channels), EVERYTHING)
        yield BodyCase(f"HeadGrad-whole-{label}", "HeadGrad", everything, whole, pooled)


def _products(rng: np.random.Generator, window: Window, sizes: tuple[int, int], part: tuple[slice, slice]) -> Iterator[BodyCase]:
    (batch, channels), (ins, outs), n_out = sizes, part, 6
    locations, taps = int(np.prod(window.size)), int(np.prod(window.kernel))
    label = f"{window.kernel[0]}x{window.kernel[1]}-{channels}-{batch}"
    w = rng.uniform(-1, 1, (locations, taps * channels, n_out)).astype(np.float32)
    apart, w_rest = _cut(w, channels, ins, outs)
    bias = real(rng, n_out * locations)
    bias_rest = bias.copy()
    bias_rest[outs.start * locations : outs.stop * locations] = 0
    bias_slice = bias[outs.start * locations : outs.stop * locations].copy()
    origin, x = origin_of(ins, outs), real(rng, batch, channels, *window.image)
    sums, part_sums, rest_sums = (np.abs(each).sum(axis=1) for each in (w, apart, w_rest))
    apart_signs, sign_rest = _cut(signs(w), channels, ins, outs)
    for precision in ("Sign", "Binary"):
        given = x if precision == "Sign" else bits(rng, batch, channels, *window.image)
        x_scale = number(1 if precision == "Sign" else 0.7)
        whole = (given, signs(w), bias, None, None, None, sums, None, x_scale)
        sliced = (given, sign_rest, bias_rest, apart_signs, bias_slice, origin, rest_sums, part_sums, x_scale)
        for alpha, variant in (("row", ()), ("tensor", ("tensor_alpha",))):
            attributes = {**window.attributes, "alpha": alpha}
            kind: dict[str, Any] = {"tolerance": SIXTEEN_BITS if precision == "Sign" else FLOAT32}
            op = f"{precision}LocallyConnected"
            yield BodyCase(f"{op}-{alpha}-{label}", op, whole, attributes, frozenset(variant), **kind)
            variants = frozenset({"sliced", *variant})
            yield BodyCase(f"{op}-sliced-{alpha}-{label}", op, sliced, attributes, variants, **kind)
    op, nothing = "RealLocallyConnected", (None, None, None)
    yield BodyCase(f"{op}-{label}", op, (x, w, bias, *nothing, *nothing), window.attributes)
    real_sliced = (x, w_rest, bias_rest, apart, bias_slice, origin, *nothing)
    yield BodyCase(f"{op}-sliced-{label}", op, real_sliced, window.attributes, frozenset({"sliced"}))
    grad_z = real(rng, batch, n_out, *window.size)
    attributes = {**window.attributes, "input_shape": (batch, channels, *window.image)}
    whole_w = ((w, None), (signs(w), sums))
    apart_w = ((w_rest, apart, None, None), (sign_rest, apart_signs, rest_sums, part_sums))
    yield from input_gradients("LocallyConnected", grad_z, whole_w, apart_w, origin, attributes)
    yield BodyCase(f"JoinPatches-{label}", "JoinPatches", (grad_z, w), attributes)


def _cut(w: Array, channels: int, ins: slice, outs: slice) -> tuple[Array, Array]:
    """The slice of a weight, and the weight with zeros in its place."""
    rest = w.copy()
    view = rest.reshape(len(w), -1, channels, w.shape[2])
    part = view[:, :, ins, outs].copy()
    view[:, :, ins, outs] = 0
    return part.reshape(len(w), -1, part.shape[-1]), rest


def _gradients(rng: np.random.Generator, window: Window, sizes: tuple[int, int], part: tuple[slice, slice]) -> Iterator[BodyCase]:
    (batch, channels), (ins, outs) = sizes, part
    locations, taps, count = int(np.prod(window.size)), int(np.prod(window.kernel)), outs.stop - outs.start
    for x, scale in ((real(rng, batch, channels, *window.image), 1.0), (bits(rng, batch, channels, *window.image), 0.7)):
        for has_all_rows, rows in ((0, count), (1, 6)):
            shape = (locations, taps * (ins.stop - ins.start), count)
            attributes = {
                "slice_shape": shape, "bias_size": count * locations, "has_all_rows": has_all_rows, **window.attributes,
            }  # fmt: skip
            label = f"{x.dtype}-{window.kernel[0]}x{window.kernel[1]}-{channels}-{rows}-{batch}"
            inputs = (real(rng, batch, rows, *window.size), x, number(scale), origin_of(ins, outs))
            yield BodyCase(f"LocallyConnectedSliceGrad-{label}", "LocallyConnectedSliceGrad", inputs, attributes)
    whole = (real(rng, batch, 6, *window.size), x, number(0.7), EVERYTHING)
    label, everything = f"{window.kernel[0]}x{window.kernel[1]}-{channels}-{batch}", {**attributes, "has_all_rows": 1}
    yield BodyCase(f"LocallyConnectedSliceGrad-whole-{label}", "LocallyConnectedSliceGrad", whole, everything)


def _pieces(rng: np.random.Generator, window: Window, batch: int) -> Iterator[BodyCase]:
    label = f"{window.kernel[0]}x{window.kernel[1]}-{batch}"
    x, locations = bits(rng, batch, 3, *window.image), int(np.prod(window.size))
    yield BodyCase(f"WindowPlaces-{label}", "WindowPlaces", (x,), window.attributes)
    yield BodyCase(f"PadImage-{label}", "PadImage", (x,), {"pads": window.pads})
    places = rng.integers(0, 12, (locations, 4)).astype(np.int32)
    yield BodyCase(f"GatherPatches-{label}", "GatherPatches", (bits(rng, batch, 3, 12), places))
    yield BodyCase(f"GatherColumns-{label}", "GatherColumns", (real(rng, batch, 3, 12), places))
    sums, bias = real(rng, locations, batch, 5), real(rng, 5 * locations)
    yield BodyCase(f"PlaceLocations-{label}", "PlaceLocations", (sums, bias, np.array(window.size)))
    w = np.zeros((locations, 9, 5), dtype=np.int8)
    yield BodyCase(f"PlaceBias-{label}", "PlaceBias", (bias, real(rng, 2 * locations), w, np.array([3])))
    integer_sums = rng.integers(-9, 9, sums.shape).astype(np.int32)
    abs_sum = rng.uniform(1, 9, (locations, 5)).astype(np.float32)
    for alpha, variant in (("row", ()), ("tensor", ("tensor_alpha",))):
        given = (integer_sums, w, abs_sum, number(0.7))
        name = f"ScaleLocationSums-{alpha}-{label}"
        yield BodyCase(name, "ScaleLocationSums", given, {"alpha": alpha}, frozenset(variant))
