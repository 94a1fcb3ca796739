"""Locally connected products and gradients, by a loop over locations.

Weights are (location, tap and channel, output): the inputs of a row go tap by tap, and channel by channel within a tap. Biases
are (output, location), flat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.ops.references.dense import scale_errors
from tests.ops.references.gradients import inputs_of, rows_of

Array = NDArray[Any]
Ints = Sequence[int]

__all__ = [
    "binary_local", "gather_columns", "gather_patches", "local_input_grad", "local_slice_grad", "pad_image", "place_bias",
    "place_locations", "real_local", "scale_location_sums", "window_places", "window_steps",
]  # fmt: skip


def windows(size: Ints, kernel_shape: Ints, strides: Ints, pads: Ints) -> Iterator[list[tuple[int, int]]]:
    """The places (row, column) in the padded image that each location sees, tap by tap."""
    heights = [(size[a] + pads[a] + pads[a + 2] - kernel_shape[a]) // strides[a] + 1 for a in (0, 1)]
    for row, column in np.ndindex(*heights):
        yield [(row * strides[0] + a, column * strides[1] + b) for a, b in np.ndindex(*kernel_shape)]


def padded(x: Array, pads: Ints) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))


def output_size(size: Ints, kernel_shape: Ints, strides: Ints, pads: Ints) -> tuple[int, ...]:
    return tuple((size[a] + pads[a] + pads[a + 2] - kernel_shape[a]) // strides[a] + 1 for a in (0, 1))


def whole_weight(w: Array, w_slice: Array | None, origin: Array | None, channels: int) -> Array:
    full = np.array(w, dtype=np.float64).reshape(len(w), -1, channels, w.shape[2])
    if w_slice is not None and origin is not None:
        i, j, num_inputs, num_outputs = (int(x) for x in origin)
        part = w_slice.reshape(len(w), -1, num_inputs, num_outputs)
        full[:, :, i : i + num_inputs, j : j + num_outputs] = part
    return full


def products(x: Array, weight: Array, window: tuple[Ints, Ints, Ints]) -> Array:
    """Sums (N, O, H_out, W_out) of every patch with the weights of its location."""
    image = padded(x.astype(np.float64), window[2])
    columns = []
    for location, places in enumerate(windows(x.shape[2:], *window)):
        sums = sum(image[:, :, row, column] @ weight[location, tap] for tap, (row, column) in enumerate(places))
        columns.append(sums)
    stacked = np.stack(columns, axis=-1)
    return stacked.reshape(*stacked.shape[:2], *output_size(x.shape[2:], *window))


def bias_of(bias: Array, bias_slice: Array | None, origin: Array | None, locations: int) -> Array:
    full = np.array(bias, dtype=np.float64).reshape(-1, locations)
    if bias_slice is not None and origin is not None:
        part = bias_slice.reshape(-1, locations)
        full[int(origin[1]) : int(origin[1]) + len(part)] += part
    return full


def real_local(
    x: Array, w: Array, bias: Array, w_slice: Array | None = None, bias_slice: Array | None = None, origin: Array | None = None,
    *_: Array | None, kernel_shape: Ints, strides: Ints, pads: Ints, **__: object,
) -> tuple[Array, ...]:  # fmt: skip
    z = products(x, whole_weight(w, w_slice, origin, x.shape[1]), (kernel_shape, strides, pads))
    return (z + bias_of(bias, bias_slice, origin, len(w)).reshape(z.shape[1:]),)


def binary_local(
    x: Array, w: Array, bias: Array, w_slice: Array | None, bias_slice: Array | None, origin: Array | None, abs_sum: Array,
    abs_sum_slice: Array | None = None, x_scale: Array | None = None, *,
    kernel_shape: Ints, strides: Ints, pads: Ints, alpha: str = "row",
) -> tuple[Array, ...]:  # fmt: skip
    z = products(x, whole_weight(w, w_slice, origin, x.shape[1]), (kernel_shape, strides, pads))
    rows = whole_sums(abs_sum, abs_sum_slice, origin).T.reshape(z.shape[1:]) / w.shape[1]
    scale = 1.0 if x_scale is None else float(x_scale)
    factor = rows if alpha == "row" else rows.mean()
    return (z * factor * scale + bias_of(bias, bias_slice, origin, len(w)).reshape(z.shape[1:]),)


def whole_sums(abs_sum: Array, abs_sum_slice: Array | None, origin: Array | None) -> Array:
    """Sums of magnitudes (location, output), with the active slice's part added."""
    sums = abs_sum.astype(np.float64)
    if abs_sum_slice is not None and origin is not None:
        sums[:, int(origin[1]) : int(origin[1]) + abs_sum_slice.shape[1]] += abs_sum_slice
    return sums


def local_input_grad(
    grad_z: Array, w: Array, w_slice: Array | None = None, origin: Array | None = None, abs_sum: Array | None = None,
    abs_sum_slice: Array | None = None, *, input_shape: Ints, kernel_shape: Ints, strides: Ints, pads: Ints, alpha: str = "row",
) -> tuple[Array, ...]:  # fmt: skip
    """Each location hands its error back to what it has seen."""
    if abs_sum is not None:
        (grad_z,) = scale_errors(grad_z, w, whole_sums(abs_sum, abs_sum_slice, origin), alpha=alpha)
    channels = w.shape[1] // int(np.prod(kernel_shape))
    weight = whole_weight(w, w_slice, origin, channels)
    errors = grad_z.reshape(*grad_z.shape[:2], -1)
    image = padded(np.zeros((len(grad_z), channels, *input_shape[2:])), pads)
    for location, places in enumerate(windows(input_shape[2:], kernel_shape, strides, pads)):
        for tap, (row, column) in enumerate(places):
            image[:, :, row, column] += errors[:, :, location] @ weight[location, tap].T
    height, width = input_shape[2:]
    return (image[:, :, pads[0] : pads[0] + height, pads[1] : pads[1] + width],)


def local_slice_grad(
    grad_z: Array, x: Array, x_scale: Array, origin: Array, *,
    kernel_shape: Ints, strides: Ints, pads: Ints, has_all_rows: int = 0, input_center: float = 0.0, **_: object,
) -> tuple[Array, ...]:  # fmt: skip
    rows = rows_of(grad_z, origin, has_all_rows)
    image = padded(inputs_of(x, x_scale, origin, input_center), pads)
    errors = rows.reshape(*rows.shape[:2], -1)
    grads = []
    for location, places in enumerate(windows(x.shape[2:], kernel_shape, strides, pads)):
        grads.append(np.concatenate([image[:, :, row, column].T @ errors[:, :, location] for row, column in places]))
    return np.stack(grads), errors.sum(axis=0).reshape(-1)


def window_places(x: Array, *, kernel_shape: Ints, strides: Ints, pads: Ints) -> tuple[Array, ...]:
    width = x.shape[3] + pads[1] + pads[3]
    rows = [[row * width + column for row, column in each] for each in windows(x.shape[2:], kernel_shape, strides, pads)]
    return np.array(rows, dtype=np.int32), np.array(output_size(x.shape[2:], kernel_shape, strides, pads))


def window_steps(counts: Array, step: Array) -> tuple[Array, ...]:
    steps = np.broadcast_to(step, (2,))
    return tuple(np.arange(count) * size for count, size in zip(counts, steps))


def pad_image(x: Array, *, pads: Ints) -> tuple[Array, ...]:
    return (padded(x, pads).reshape(*x.shape[:2], -1),)


def gather_patches(image: Array, places: Array) -> tuple[Array, ...]:
    """Rows of patches: (location, sample, tap and channel)."""
    patches = image[:, :, places].transpose(2, 0, 3, 1)
    return (patches.reshape(len(places), len(image), -1),)


def gather_columns(image: Array, places: Array) -> tuple[Array, ...]:
    """Columns of patches: (location, tap and channel, sample)."""
    return (image[:, :, places].transpose(2, 3, 1, 0).reshape(len(places), -1, len(image)),)


def place_locations(sums: Array, bias: Array, size: Array) -> tuple[Array, ...]:
    z = sums.astype(np.float64).transpose(1, 2, 0)
    shifted = z + bias.reshape(-1, len(sums))
    return (shifted.reshape(*z.shape[:2], *(int(length) for length in size)),)


def place_bias(bias: Array, bias_slice: Array, w: Array, first_output: Array) -> tuple[Array, ...]:
    result = bias.reshape(-1, len(w)).copy()
    part = bias_slice.reshape(-1, len(w))
    result[int(first_output[0]) : int(first_output[0]) + len(part)] += part
    return (result.reshape(-1),)


def scale_location_sums(sums: Array, w: Array, abs_sum: Array, x_scale: Array, *, alpha: str = "row") -> tuple[Array, ...]:
    rows = abs_sum.astype(np.float64) / w.shape[1]
    factor = rows if alpha == "row" else np.full_like(rows, rows.mean())
    return (sums * factor[:, None] * float(x_scale),)
