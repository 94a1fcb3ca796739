"""Gradients of pools, window by window, of normalization across channels, and running statistics of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = Sequence[int]

__all__ = [
    "average_pool_grad",
    "followed_batch_normalization",
    "global_average_pool_grad",
    "lrn_grad",
    "max_places",
    "max_places_grad",
    "max_pool_grad",
    "running_batch_normalization",
    "spread_channels",
    "sum_neighbours",
    "window_counts",
]  # fmt: skip


def places(window: Ints, size: Ints, geometry: tuple[Ints, Ints, Ints, Ints]) -> Iterator[tuple[tuple[int, ...], bool]]:
    """The places that window number ``window`` sees, in order, and whether each lies inside the image; none beyond its pads."""
    kernel, strides, dilations, pads = geometry
    rank = len(size)
    for tap in np.ndindex(*kernel):
        place = tuple(window[a] * strides[a] + tap[a] * dilations[a] - pads[a] for a in range(rank))
        if all(-pads[a] <= place[a] < size[a] + pads[a + rank] for a in range(rank)):
            yield place, all(0 <= place[a] < size[a] for a in range(rank))


def max_pool_grad(
    grad_y: Array, x: Array, y: Array, origin: Array, *, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints,
    **_: object,
) -> tuple[Array, ...]:  # fmt: skip
    first = int(origin[1])
    part = x[:, first : first + grad_y.shape[1]]
    grad_x = np.zeros(part.shape)
    for index in np.ndindex(*grad_y.shape):
        image, grad = part[index[:2]], grad_x[index[:2]]
        seen = [
            place for place, is_inside in places(index[2:], image.shape, (kernel_shape, strides, dilations, pads)) if is_inside
        ]
        grad[max(seen, key=lambda place: image[place])] += grad_y[index]  # the first of equal ones
    return (grad_x,)


def max_places(
    x: Array, *, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints, output_size: Ints, **_: object
) -> tuple[Array, ...]:
    """Places count along the image, row by row."""
    found = np.zeros((*x.shape[:2], *output_size), dtype=np.uint16)
    for index in np.ndindex(*found.shape):
        image = x[index[:2]]
        seen = [
            place for place, is_inside in places(index[2:], image.shape, (kernel_shape, strides, dilations, pads)) if is_inside
        ]
        best = max(seen, key=lambda place: image[place])  # the first of equal ones
        found[index] = np.ravel_multi_index(best, image.shape)
    return (found,)


def max_places_grad(grad_y: Array, places: Array, *, input_shape: Ints) -> tuple[Array, ...]:
    grad_x = np.zeros(input_shape)
    for index in np.ndindex(*grad_y.shape):
        grad_x[index[:2]].reshape(-1)[int(places[index])] += grad_y[index]
    return (grad_x,)


def average_pool_grad(
    grad_y: Array, origin: Array, *, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints, input_shape: Ints,
    count_include_pad: int = 0, **_: object,
) -> tuple[Array, ...]:  # fmt: skip
    grad_x = np.zeros((*grad_y.shape[:2], *input_shape[2:]))
    for index in np.ndindex(*grad_y.shape):
        seen = list(places(index[2:], input_shape[2:], (kernel_shape, strides, dilations, pads)))
        inside = [place for place, is_inside in seen if is_inside]
        for place in inside:
            grad_x[index[:2]][place] += grad_y[index] / (len(seen) if count_include_pad else len(inside))
    return (grad_x,)


def window_counts(
    *, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints, input_shape: Ints, overhang: Ints,
    count_include_pad: int = 0,
) -> tuple[Array, ...]:  # fmt: skip
    size, rank = input_shape[2:], len(kernel_shape)
    padded = [size[a] + pads[a] + pads[a + rank] + overhang[a] for a in range(rank)]
    out = [(padded[a] - dilations[a] * (kernel_shape[a] - 1) - 1) // strides[a] + 1 for a in range(rank)]
    counts = np.zeros((1, 1, *out))
    for index in np.ndindex(*out):
        seen = list(places(index, size, (kernel_shape, strides, dilations, pads)))
        counts[0, 0][index] = len(seen) if count_include_pad else sum(is_inside for _, is_inside in seen)
    return counts, np.ones((1, 1, *kernel_shape))


def spread_channels(x: Array, size: Array) -> tuple[Array, ...]:
    positions = tuple(int(length) for length in size)
    values = x.astype(np.float64).reshape(*x.shape[:2], *[1] * len(positions))
    return (np.broadcast_to(values, (*x.shape[:2], *positions)),)


def global_average_pool_grad(grad_y: Array, origin: Array, *, input_shape: Ints) -> tuple[Array, ...]:
    size = np.array(input_shape[2:])
    return spread_channels(grad_y.astype(np.float64) / size.prod(), size)


def sum_neighbours(x: Array, before: Array, after: Array) -> tuple[Array, ...]:
    sums = np.zeros(x.shape)
    for channel in range(x.shape[1]):
        sums[:, channel] = x[:, max(0, channel - int(before)) : channel + int(after) + 1].sum(axis=1, dtype=np.float64)
    return (sums,)


def lrn_grad(
    grad_y: Array, x: Array, y: Array, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int = 1
) -> tuple[Array, ...]:
    """y_j = x_j s_j^-beta with s_j = bias + alpha / size * sum of x_i^2 over j's neighbours, derived pair by pair."""
    channels, before = x.shape[1], (size - 1) // 2
    wide = x.astype(np.float64)
    grad_x = np.zeros(x.shape)
    for j in range(channels):
        near = range(max(0, j - before), min(channels, j + size - before))
        s = bias + alpha / size * sum(wide[:, i] ** 2 for i in near)
        grad_x[:, j] += grad_y[:, j] * s**-beta
        for i in near:
            grad_x[:, i] -= grad_y[:, j] * wide[:, j] * beta * s ** (-beta - 1) * 2 * alpha / size * wide[:, i]
    return (grad_x,)


def shift_sgd_step(
    shift: Array, grad_y: Array, rate: Array, origin: Array, *, share: float = 1.0, channel_size: int = 1
) -> tuple[Array, ...]:
    sums = grad_y.astype(np.float64).sum(axis=(0, *range(2, grad_y.ndim)))
    moved = shift.astype(np.float64)
    first = int(origin[1]) * channel_size
    moved[first : first + len(sums)] -= share * float(rate) * sums
    return (moved,)


def running_batch_normalization(
    x: Array, gain: Array, shift: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5, momentum: float = 0.9
) -> tuple[Array, ...]:
    """Moments of the mixture of what was (its share is the momentum) and the batch."""
    axes, new = (0, *range(2, x.ndim)), 1 - momentum
    wide = x.astype(np.float64)
    mean_next = momentum * mean + new * wide.mean(axis=axes)
    square = momentum * (variance + mean.astype(np.float64) ** 2) + new * (wide**2).mean(axis=axes)
    variance_next = square - mean_next**2
    return *followed_batch_normalization(x, gain, shift, mean_next, variance_next, epsilon=epsilon), mean_next, variance_next


def followed_batch_normalization(
    x: Array, gain: Array, shift: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5
) -> tuple[Array, ...]:
    column = (-1, *[1] * (x.ndim - 2))
    normal = (x.astype(np.float64) - mean.reshape(column)) / np.sqrt(variance.astype(np.float64) + epsilon).reshape(column)
    return (normal * gain.reshape(column) + shift.reshape(column),)
