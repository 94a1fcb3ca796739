"""Inputs on which each function body is compared with its reference: uneven slices, batch 1 and 7, origins that are not zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BodyCase", "Tolerance", "dense_cases"]

Array = NDArray[Any]
BATCHES = (1, 7)


@dataclass(frozen=True)
class Tolerance:
    """How far a real output may be off, and why."""

    relative: float
    absolute: float
    reason: str


# A sum of n products has a rounding error of about sqrt(n) / 2 units in the last place, at most n: 40 * 6e-8.
FLOAT32 = Tolerance(1e-5, 5e-6, "float32 sums of up to 40 products of numbers around 1")
# x is off by half a step of max |x| / 32512, x up to 4: over 24 inputs, at alpha 1/2, that is 24 * 6e-5 * 1/2 at the very most.
SIXTEEN_BITS = Tolerance(1e-5, 8e-4, "real inputs are quantized to 16 bits")


@dataclass(frozen=True)
class BodyCase:
    """One call of an operator: its inputs in the order of the ports (``None`` where one is absent), and its attributes."""

    label: str
    op_type: str
    inputs: tuple[Array | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    variants: frozenset[str] = frozenset()
    tolerance: Tolerance = FLOAT32


def real(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(0, 1, shape).astype(np.float32)


def bits(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(0, 2, shape).astype(np.uint8)


def signs(w: Array) -> Array:
    return np.where(w >= 0, 1, -1).astype(np.int8)


def number(value: float) -> Array:
    return np.array(value, dtype=np.float32)


def origin_of(ins: slice, outs: slice) -> Array:
    return np.array((ins.start, outs.start, ins.stop - ins.start, outs.stop - outs.start), dtype=np.int32)


CENTERED = frozenset({"centered"})
EVERYTHING = np.array((0, 0, 2**31 - 1, 2**31 - 1), dtype=np.int32)


def dense_cases() -> Iterator[BodyCase]:
    """All bodies but those of locally connected layers."""
    for batch in BATCHES:
        rng = np.random.default_rng(batch)
        yield from _products(rng, batch)
        yield from _activations(rng, batch)
        yield from _heads(rng, batch)
        yield from _gradients(rng, batch)
    rng = np.random.default_rng(0)
    yield from _updates(rng)
    yield from _updates_in_pieces(rng)
    yield from _integers(rng)
    yield from _arithmetic(rng)
    yield from _packing(rng)


def _products(rng: np.random.Generator, batch: int) -> Iterator[BodyCase]:
    n_in, n_out, ins, outs = 24, 11, slice(5, 16), slice(3, 7)
    w = rng.uniform(-1, 1, (n_in, n_out)).astype(np.float32)
    bias, x, scale = real(rng, n_out), real(rng, batch, n_in), number(0.7)
    apart = w[ins, outs].copy()
    w_rest, bias_rest = w.copy(), bias.copy()
    w_rest[ins, outs], bias_rest[outs] = 0, 0
    sums, part_sums, rest_sums = (np.abs(each).sum(axis=0) for each in (w, apart, w_rest))
    # The body adds the part where the others hold zeros; one of the sums stays, as inputs outside the slice have weights too.
    parts = (bias[outs].copy(), origin_of(ins, outs))
    sign_rest = signs(w)
    sign_rest[ins, outs] = 0
    for precision in ("Sign", "Binary"):
        given = x if precision == "Sign" else bits(rng, batch, n_in)
        x_scale = number(1) if precision == "Sign" else scale
        tolerance = SIXTEEN_BITS if precision == "Sign" else FLOAT32
        whole = (given, signs(w), bias, None, None, None, sums, None, x_scale)
        sliced = (given, sign_rest, bias_rest, signs(apart), *parts, rest_sums, part_sums, x_scale)
        for alpha, variant in (("row", ()), ("tensor", ("tensor_alpha",))):
            kind: dict[str, Any] = {"attributes": {"alpha": alpha}, "tolerance": tolerance}
            op = f"{precision}Dense"
            yield BodyCase(f"{op}-{alpha}-{batch}", op, whole, variants=frozenset(variant), **kind)
            yield BodyCase(f"{op}-sliced-{alpha}-{batch}", op, sliced, variants=frozenset({"sliced", *variant}), **kind)
    real_whole = (x, w, bias, None, None, None, None, None, None)
    real_sliced = (x, w_rest, bias_rest, apart, *parts, None, None, None)
    yield BodyCase(f"RealDense-{batch}", "RealDense", real_whole)
    yield BodyCase(f"RealDense-bits-{batch}", "RealDense", (bits(rng, batch, n_in), *real_whole[1:]))
    for kind_of_x, given in (("real", x), ("bits", bits(rng, batch, n_in))):
        label = f"RealDense-sliced-{kind_of_x}-{batch}"
        yield BodyCase(label, "RealDense", (given, *real_sliced[1:]), variants=frozenset({"sliced"}))
    integer_sums = rng.integers(-n_in, n_in, (batch, n_out)).astype(np.int32)
    for alpha, variant in (("row", ()), ("tensor", ("tensor_alpha",))):
        label, given_sums = f"ScaleSums-{alpha}-{batch}", (integer_sums, signs(w), sums, scale, bias)
        yield BodyCase(label, "ScaleSums", given_sums, {"alpha": alpha}, frozenset(variant))


def _activations(rng: np.random.Generator, batch: int) -> Iterator[BodyCase]:
    for shape in ((batch, 9), (batch, 3, 2, 5)):
        label = f"{len(shape)}d-{batch}"
        z = real(rng, *shape)
        z.reshape(-1)[:3] = (0, 1, -1)
        for floor, momentum in ((-1.0, 0.9), (0.0, 0.0)):
            attributes = {"momentum": momentum, "window_floor": floor}
            yield BodyCase(f"BinaryActivation-{floor:g}-{label}", "BinaryActivation", (z, number(0.4)), attributes)
        forward = frozenset({"forward"})
        yield BodyCase(f"BinaryActivation-forward-{label}", "BinaryActivation", (z, number(0.4)), variants=forward)
        steps = np.array(0.25, dtype=np.float32)  # a power of two: of what is at an edge all know that it is
        z.reshape(-1)[3:9] = (-0.125, 0.125, 0.375, 0.625, 0.875, 0.25)
        yield BodyCase(f"FollowScale-{label}", "FollowScale", (z, steps), {"momentum": 0.9})
        yield BodyCase(f"LevelActivation-forward-{label}", "LevelActivation", (z, steps), variants=forward)
        for floor in (-0.5, 0.0):
            name = f"LevelActivation-{floor:g}-{label}"
            yield BodyCase(name, "LevelActivation", (z, steps), {"window_floor": floor})
        yield BodyCase(f"LevelOf-{label}", "LevelOf", (z, steps))
        yield BodyCase(f"BinaryToReal-{label}", "BinaryToReal", (bits(rng, *shape), number(0.3)))
        grad = real(rng, batch, 2, *shape[2:])
        part = origin_of(slice(0, 4), slice(1, 3))
        yield BodyCase(f"StraightThroughGrad-{label}", "StraightThroughGrad", (grad, bits(rng, *shape), part))
        yield BodyCase(f"ReluGrad-{label}", "ReluGrad", (grad, real(rng, *shape), part))
        whole = real(rng, *shape)
        yield BodyCase(f"StraightThroughGrad-whole-{label}", "StraightThroughGrad", (whole, bits(rng, *shape), EVERYTHING))
        yield BodyCase(f"ReluGrad-whole-{label}", "ReluGrad", (whole, real(rng, *shape), EVERYTHING))


def _heads(rng: np.random.Generator, batch: int) -> Iterator[BodyCase]:
    classes, gain = 4, {"gain": 0.3}
    for shape in ((9,), (3, 3, 1)):
        label = f"{len(shape)}d-{batch}"
        head = rng.choice((-1, 1), (classes, 9)).astype(np.int8)
        inputs = (bits(rng, batch, *shape), number(0.6), head)
        yield BodyCase(f"HeadLogits-{label}", "HeadLogits", inputs, {"num_classes": classes, **gain})
        stored = (real(rng, batch, *shape), number(1), real(rng, classes, 9))
        yield BodyCase(f"HeadLogits-real-{label}", "HeadLogits", stored, {"num_classes": classes, **gain})
        for seen in (inputs, stored):
            learnt = (real(rng, batch, classes), *seen[:2], real(rng, batch, *shape))
            yield BodyCase(f"HeadWeightGrad-{seen[0].dtype}-{label}", "HeadWeightGrad", learnt, gain)
    grad = real(rng, batch, classes)
    head = rng.choice((-1, 1), (classes, 9)).astype(np.int8)
    part = origin_of(slice(1, 3), slice(2, 6))
    yield BodyCase(f"HeadGrad-{batch}", "HeadGrad", (grad, head, part), {"output_shape": (batch, 4), **gain})
    whole = (grad, real(rng, classes, 9), EVERYTHING)
    yield BodyCase(f"HeadGrad-whole-{batch}", "HeadGrad", whole, {"output_shape": (batch, 9), **gain})
    target = rng.integers(0, classes, batch)
    yield BodyCase(f"SoftmaxCrossEntropy-{batch}", "SoftmaxCrossEntropy", (3 * real(rng, batch, classes), target))
    far = np.array([[40, -40, 0, 1]] * batch, dtype=np.float32)
    yield BodyCase(f"SoftmaxCrossEntropy-far-{batch}", "SoftmaxCrossEntropy", (far, target))
    factors = np.array([0.25, 3, 1, 12.5], dtype=np.float32)
    weighted = (3 * real(rng, batch, classes), target, factors)
    yield BodyCase(f"WeightedSoftmaxCrossEntropy-{batch}", "WeightedSoftmaxCrossEntropy", weighted)
    for columns, z in ((classes, 3 * real(rng, batch, classes)), (1, real(rng, batch, 1)), (4, far)):
        labels = rng.integers(0, 2, (batch, columns)).astype(np.float32)
        yield BodyCase(f"BinaryCrossEntropy-{columns}-{np.abs(z).max():.0f}-{batch}", "BinaryCrossEntropy", (z, labels))
    yield BodyCase(
        f"MeanSquaredError-{batch}", "MeanSquaredError", (real(rng, batch, classes), real(rng, batch, classes))
    )  # fmt: skip


def _gradients(rng: np.random.Generator, batch: int) -> Iterator[BodyCase]:
    ins, outs = slice(4, 9), slice(2, 5)
    for is_binary in (False, True):
        x = bits(rng, batch, 13) if is_binary else real(rng, batch, 13)
        scale = number(0.7 if is_binary else 1)
        for has_all_rows, columns in ((0, 3), (1, 8)):
            grad_z, label = real(rng, batch, columns), f"{'bits' if is_binary else 'real'}-{columns}-{batch}"
            attributes = {"slice_shape": (5, 3), "bias_size": 3, "has_all_rows": has_all_rows}
            part = origin_of(ins, outs)
            given = (grad_z, x, scale, part)
            yield BodyCase(f"DenseSliceGrad-{label}", "DenseSliceGrad", given, attributes)
            w = rng.uniform(-1, 1, (5, 3)).astype(np.float32)
            step = (w, grad_z, x, scale, number(0.4), part)
            kept = {"has_all_rows": has_all_rows, "limit": 1.0}
            yield BodyCase(f"DenseSgdStep-{label}", "DenseSgdStep", step, kept)
            if is_binary:
                center = {"input_center": 0.5}
                yield BodyCase(f"DenseSliceGrad-centered-{label}", "DenseSliceGrad", given, attributes | center, CENTERED)
                yield BodyCase(f"DenseSgdStep-centered-{label}", "DenseSgdStep", step, kept | center, CENTERED)
            bias = {"bias_size": 3, "has_all_rows": has_all_rows}
            yield BodyCase(f"BiasSliceGrad-{label}", "BiasSliceGrad", (grad_z, part), bias)
        whole = (real(rng, batch, 8), x, scale, EVERYTHING)
        everything = {"slice_shape": (13, 8), "bias_size": 8, "has_all_rows": 1}
        yield BodyCase(f"DenseSliceGrad-whole-{is_binary}-{batch}", "DenseSliceGrad", whole, everything)


def _updates(rng: np.random.Generator) -> Iterator[BodyCase]:
    for shape in ((7,), (5, 3), (4, 6, 3)):
        w, grad = rng.uniform(-1, 1, shape).astype(np.float32), real(rng, *shape)
        for limit in (1.0, 3.4028234663852886e38):
            label, given, kept = f"{len(shape)}d-{limit:g}", (w, grad, number(0.3)), {"limit": limit}
            yield BodyCase(f"SgdUpdate-{label}", "SgdUpdate", (*given, None), kept)
            yield BodyCase(f"MomentumUpdate-{label}", "MomentumUpdate", (*given, real(rng, *shape), None), kept)
            for steps in (0, 25):
                states = (real(rng, *shape), real(rng, *shape) ** 2, np.array(steps, dtype=np.int32))
                yield BodyCase(f"AdamUpdate-{label}-{steps}", "AdamUpdate", (*given, *states, None), kept)
            # Nothing has been measured at 0; what is far below the gradient's makes steps of the longest.
            for steps, power in ((0, 0.0), (3, 0.0), (3, 0.2), (500, 0.2), (3, 0.005)):
                numbers = (number(power), np.array(steps, dtype=np.int32))
                name = f"NormalizedUpdate-{label}-{steps}-{power}"
                yield BodyCase(name, "NormalizedUpdate", (*given, *numbers, None), kept | {"length": 0.37})
            yield BodyCase(f"ClipTo-{label}", "ClipTo", (2 * w,), kept)
        if len(shape) > 1:
            w.reshape(-1)[:2] = (0, -0.0)
            packed = (w, np.zeros(shape, dtype=np.int8), np.zeros(shape[:-2] + shape[-1:], dtype=np.float32), None)
            yield BodyCase(f"PackSigns-{len(shape)}d", "PackSigns", packed)


def _updates_in_pieces(rng: np.random.Generator) -> Iterator[BodyCase]:
    """More weights than a thread of the kernels takes at a time, and a piece that is not whole."""
    w, grad = rng.uniform(-1, 1, (130, 257)).astype(np.float32), real(rng, 130, 257)
    given = (w, grad, number(0.3), number(0.2), np.array(9, dtype=np.int32), None)
    yield BodyCase("NormalizedUpdate-pieces", "NormalizedUpdate", given, {"limit": 1.0})


def _arithmetic(rng: np.random.Generator) -> Iterator[BodyCase]:
    origin = np.array((3, 5, 11, 2), dtype=np.int32)
    yield BodyCase("SplitOrigin", "SplitOrigin", (origin,))
    yield BodyCase("SplitPart", "SplitPart", (origin,))
    yield BodyCase("SplitPart-everything", "SplitPart", (EVERYTHING,))
    for x in (bits(rng, 2, 9), real(rng, 3, 9, 2, 2)):
        for start, length in ((0, 4), (3, 6), (2, 2**31 - 1)):
            bounds = (np.array([start]), np.array([length]))
            yield BodyCase(f"SliceColumns-{x.dtype}-{start}-{length}", "SliceColumns", (x, *bounds))
    for whole, part in (((2, 9), (2, 3)), ((9,), (3,)), ((4, 2, 9), (4, 2, 3))):
        for start in (0, 2, 6):
            sums = (rng.integers(-9, 9, whole).astype(np.int32), rng.integers(-9, 9, part).astype(np.int32))
            yield BodyCase(f"PlaceColumns-{len(whole)}d-{start}", "PlaceColumns", (*sums, np.array([start])))
    yield BodyCase("SplitRows", "SplitRows", (real(rng, 12, 5),), {"shape": [3, 4, -1]})
    yield BodyCase("SplitColumns", "SplitColumns", (real(rng, 7, 12),), {"shape": [3, 4, -1]})
    for shape in ((1, 40), (7, 3, 5, 5)):
        yield BodyCase(f"SplitSixteenBits-{len(shape)}d", "SplitSixteenBits", (real(rng, *shape),))
    yield BodyCase("SplitSixteenBits-zeros", "SplitSixteenBits", (np.zeros((2, 3), dtype=np.float32),))
    for sums_shape in ((7, 4), (5, 7, 4)):
        halves = tuple(rng.integers(-3000, 3000, sums_shape).astype(np.int32) for _ in range(2))
        steps = rng.uniform(0.1, 1, (7, 1)).astype(np.float32)
        yield BodyCase(f"JoinSixteenBits-{len(sums_shape)}d", "JoinSixteenBits", (*halves, steps))
    for ones in (bits(rng, 3, 9), bits(rng, 2, 3, 4, 4)):
        yield BodyCase(f"CenterInput-{ones.ndim}d", "CenterInput", (ones,))
        yield BodyCase(f"CenterInput-centered-{ones.ndim}d", "CenterInput", (ones,), {"input_center": 0.5}, CENTERED)


def _packing(rng: np.random.Generator) -> Iterator[BodyCase]:
    for rows, count in ((1, 1), (3, 32), (5, 45), (2, 96)):
        ones = bits(rng, rows, count)
        yield BodyCase(f"PackBits-{rows}x{count}", "PackBits", (ones,))
        yield BodyCase(f"PackSignRows-{count}x{rows}", "PackSignRows", (signs(ones.T - 0.5),))
        words = rng.integers(0, 2**32, (rows, -(-count // 32)), dtype=np.uint32)
        for name in ("UnpackBits", "UnpackHead", "UnpackSigns", "UnpackSlice"):
            yield BodyCase(f"{name}-{rows}x{count}", name, (words, np.array([count])))


def _integers(rng: np.random.Generator) -> Iterator[BodyCase]:
    yield BodyCase("MixBits", "MixBits", (rng.integers(0, 2**32, (3, 50), dtype=np.uint32),))
    for dtype, most, code in ((np.int8, 127, 3), (np.int16, 32767, 5)):
        w = rng.integers(-most, most + 1, (24, 7)).astype(dtype)
        label, step = np.dtype(dtype).name, np.array(rng.integers(0, 2**31), dtype=np.int64)
        drawn: dict[str, Any] = {"key": int(rng.integers(0, 2**32)), "taps": 4}
        yield BodyCase(f"DrawUniform-{label}", "DrawUniform", (w, step), drawn)
        yield BodyCase(f"DrawUniform-{label}-positions", "DrawUniform", (w.reshape(2, 12, 7), step), drawn)
        for size in (0.01, 2.0, 1e6):  # the largest moves all to the ends of the range
            change = (size * real(rng, *w.shape)).astype(np.float32)
            kept = {**drawn, "most": most, "dtype": code}
            yield BodyCase(f"MoveIntegers-{label}-{size}", "MoveIntegers", (w, change, step), kept)
        errors, x = rng.integers(-8, 9, (5, 7)) / 8, rng.integers(-1, 2, (5, 30))  # sums are exact
        given = (w, errors.astype(np.float32), x.astype(np.float32), number(0.5), number(0.25), number(0.125), step)
        rounding = {**drawn, "taps": 1, "most": most, "dtype": code}
        part = origin_of(slice(3, 27), slice(0, 7))
        yield BodyCase(f"DenseSgdStepOnIntegers-{label}", "DenseSgdStepOnIntegers", (*given, part), rounding)
        yield BodyCase(f"Dequantize-{label}", "Dequantize", (w, number(0.3)))
        packed = (w, signs(w), np.zeros(7, dtype=np.float32), number(0.3), None)
        yield BodyCase(f"PackSignsOfIntegers-{label}", "PackSignsOfIntegers", packed)
