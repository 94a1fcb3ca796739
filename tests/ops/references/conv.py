"""Convolutions along any number of axes and the gradient of a slice of their weights, by a loop over taps.

Weights are matrices (tap and input of a group, output), tap by tap; the inputs of a slice are counted within each group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.ops.references.arithmetic import split_sixteen_bits
from tests.ops.references.dense import mean_magnitude, scale_errors, whole_row
from tests.ops.references.gradients import inputs_of, rows_of
from tests.ops.references.pooling import max_places

Array = NDArray[Any]
Ints = Sequence[int]

__all__ = [
    "binary_conv", "conv_input_grad", "conv_kernel", "conv_sixteen_bits", "conv_slice_grad", "exchange_channels", "group_inputs",
    "kernel_to_matrix", "merge_slice", "place_channels", "real_conv", "real_conv_max_pool",
    "scale_channel_sums", "shift_channels", "slice_groups", "sum_positions",
]  # fmt: skip


class Window:
    """What each tap sees of an image (N, C, *size)."""

    def __init__(self, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints) -> None:
        self.kernel, self.strides, self.dilations, self.pads = kernel_shape, strides, dilations, pads

    def views(self, x: Array, value: float = 0.0) -> Iterator[Array]:
        """The padded image as each tap sees it: (N, C, *windows), tap by tap."""
        rank = x.ndim - 2
        margins = [(0, 0), (0, 0), *((self.pads[a], self.pads[a + rank]) for a in range(rank))]
        yield from self.seen(np.pad(x, margins, constant_values=value))

    def seen(self, image: Array) -> Iterator[Array]:
        """An image with its padding as each tap sees it; what is written there is written to the image."""
        rank = image.ndim - 2
        reach = [self.dilations[a] * (self.kernel[a] - 1) for a in range(rank)]
        ends = [(image.shape[2 + a] - reach[a] - 1) // self.strides[a] * self.strides[a] + 1 for a in range(rank)]
        for tap in np.ndindex(*self.kernel):
            starts = [tap[a] * self.dilations[a] for a in range(rank)]
            places = [slice(starts[a], starts[a] + ends[a], self.strides[a]) for a in range(rank)]
            yield image[(slice(None), slice(None), *places)]


def merged(w: Array, w_slice: Array | None, origin: Array | None, taps: int) -> Array:
    """The weights (tap, input of a group, output) with the active slice in its place."""
    full = np.array(w, dtype=np.float64).reshape(taps, -1, w.shape[1])
    if w_slice is not None and origin is not None:
        i, j, num_inputs, num_outputs = (int(x) for x in origin)
        full[:, i : i + num_inputs, j : j + num_outputs] = w_slice.reshape(taps, num_inputs, num_outputs)
    return full


def products(x: Array, weight: Array, window: Window, group: int) -> Array:
    """Sums (N, outputs, *windows)."""
    outputs = weight.shape[2] // group
    total = 0.0
    for tap, view in enumerate(window.views(x.astype(np.float64))):
        by_group = view.reshape(len(x), group, -1, *view.shape[2:])
        weights = weight[tap].reshape(-1, group, outputs)
        total = total + np.einsum("ngc...,cgo->ngo...", by_group, weights)
    sums = np.asarray(total)
    return sums.reshape(len(x), -1, *sums.shape[3:])


def along_channels(row: Array, z: Array) -> Array:
    return row.reshape(-1, *[1] * (z.ndim - 2))


def real_conv(
    x: Array, w: Array, bias: Array, w_slice: Array | None = None, bias_slice: Array | None = None, origin: Array | None = None,
    *_: Array | None, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints, group: int = 1, **__: object,
) -> tuple[Array, ...]:  # fmt: skip
    weight = merged(w, w_slice, origin, int(np.prod(kernel_shape)))
    z = products(x, weight, Window(kernel_shape, strides, dilations, pads), group)
    return (z + along_channels(whole_row(bias, bias_slice, origin), z),)


def real_conv_max_pool(*inputs: Any, pool_output_size: Ints, **attributes: Any) -> tuple[Array, ...]:
    pool = {name.removeprefix("pool_"): value for name, value in attributes.items() if name.startswith("pool_")}
    (z,) = real_conv(*inputs, **{name: value for name, value in attributes.items() if not name.startswith("pool_")})
    (places,) = max_places(z, **pool, output_size=pool_output_size)
    flat = z.reshape(*z.shape[:2], -1)
    y = np.take_along_axis(flat, places.reshape(*z.shape[:2], -1).astype(np.int64), axis=2)
    return y.reshape(places.shape), places, z[:, -1]


def binary_conv(
    x: Array, w: Array, bias: Array, w_slice: Array | None, bias_slice: Array | None, origin: Array | None, abs_sum: Array,
    abs_sum_slice: Array | None = None, x_scale: Array | None = None, *,
    kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints, group: int = 1, alpha: str = "row",
) -> tuple[Array, ...]:  # fmt: skip
    weight = merged(w, w_slice, origin, int(np.prod(kernel_shape)))
    z = products(x, weight, Window(kernel_shape, strides, dilations, pads), group)
    factor = mean_magnitude(whole_row(abs_sum, abs_sum_slice, origin), len(w), alpha)
    scale = 1.0 if x_scale is None else float(x_scale)
    gain = np.broadcast_to(factor * scale, w.shape[1:])
    return (z * along_channels(gain, z) + along_channels(whole_row(bias, bias_slice, origin), z),)


def conv_slice_grad(
    grad_z: Array, x: Array, x_scale: Array, origin: Array, *, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints,
    group: int = 1, group_outputs: int = 0, has_all_rows: int = 0, input_center: float = 0.0, **_: object,
) -> tuple[Array, ...]:  # fmt: skip
    rows = rows_of(grad_z, origin, has_all_rows)
    first_input, first_output, num_inputs = (int(value) for value in origin[:3])
    everything = np.array((0, 0, 2**31 - 1, 2**31 - 1))
    grads = []
    for view in Window(kernel_shape, strides, dilations, pads).views(inputs_of(x, x_scale, everything, input_center)):
        by_group = view.reshape(len(x), group, -1, *view.shape[2:])[:, :, first_input : first_input + num_inputs]
        own = [(first_output + row) // (group_outputs or grad_z.shape[1]) for row in range(rows.shape[1])]
        chosen = by_group[:, own]  # (N, outputs, inputs, *windows)
        flat = chosen.reshape(*chosen.shape[:3], -1)
        grads.append(np.einsum("nocp,nop->co", flat, rows.reshape(*rows.shape[:2], -1)))
    return np.concatenate(grads), sum_positions(rows)[0]


def conv_input_grad(
    grad_z: Array, w: Array, w_slice: Array | None = None, origin: Array | None = None, abs_sum: Array | None = None,
    abs_sum_slice: Array | None = None, *, input_shape: Ints, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints,
    group: int = 1, alpha: str = "row", **_: object,
) -> tuple[Array, ...]:  # fmt: skip
    """What each tap has seen gets what its weights hand back."""
    weight = merged(w, w_slice, origin, int(np.prod(kernel_shape)))
    if abs_sum is not None:
        (grad_z,) = scale_errors(grad_z, w, whole_row(abs_sum, abs_sum_slice, origin), alpha=alpha)
    by_group = grad_z.reshape(len(grad_z), group, -1, *grad_z.shape[2:])
    rank = len(kernel_shape)
    image = np.zeros((*input_shape[:2], *(input_shape[2 + a] + pads[a] + pads[a + rank] for a in range(rank))))
    for tap, view in enumerate(Window(kernel_shape, strides, dilations, pads).seen(image)):
        weights = weight[tap].reshape(-1, group, by_group.shape[2])
        view[...] += np.einsum("ngo...,cgo->ngc...", by_group, weights).reshape(view.shape)
    inside = [slice(pads[a], pads[a] + input_shape[2 + a]) for a in range(rank)]
    return (image[(slice(None), slice(None), *inside)],)


def conv_kernel(w: Array, *, kernel_shape: Ints) -> tuple[Array, ...]:
    taps = int(np.prod(kernel_shape))
    kernel = w.astype(np.float64).reshape(taps, -1, w.shape[1]).transpose(2, 1, 0)
    return (kernel.reshape(*kernel.shape[:2], *kernel_shape),)


def merge_slice(w: Array, w_slice: Array, origin: Array, *, kernel_shape: Ints) -> tuple[Array, ...]:
    return (merged(w, w_slice, origin, int(np.prod(kernel_shape))).reshape(w.shape),)


def shift_channels(x: Array, gain: Array, shift: Array) -> tuple[Array, ...]:
    return (x.astype(np.float64) * along_channels(gain, x) + along_channels(shift, x),)


def scale_channel_sums(
    sums: Array, w: Array, abs_sum: Array, x_scale: Array, bias: Array, *, alpha: str = "row"
) -> tuple[Array, ...]:
    factor = np.broadcast_to(mean_magnitude(abs_sum.astype(np.float64), len(w), alpha), w.shape[1:])
    return shift_channels(sums, factor * float(x_scale), bias)


def conv_sixteen_bits(
    x: Array, kernel: Array, *, kernel_shape: Ints, strides: Ints, dilations: Ints, pads: Ints, group: int = 1
) -> tuple[Array, ...]:
    """Of the input as it is quantized, so that nothing but the products is compared."""
    high, low, step, middle = split_sixteen_bits(x)
    levels = 256.0 * (high.astype(np.float64) - float(middle)) + low - float(middle)
    weight = kernel.reshape(*kernel.shape[:2], -1).transpose(2, 1, 0)
    sums = products(levels, weight, Window(kernel_shape, strides, dilations, pads), group)
    return (sums * step.reshape(-1, *[1] * (x.ndim - 1)),)


def exchange_channels(x: Array) -> tuple[Array, ...]:
    return (x.swapaxes(0, 1),)


def kernel_to_matrix(grads: Array, *, kernel_shape: Ints) -> tuple[Array, ...]:
    cropped = grads[(slice(None), slice(None), *(slice(length) for length in kernel_shape))]
    return (cropped.reshape(*grads.shape[:2], -1).transpose(2, 0, 1).reshape(-1, grads.shape[1]),)


def slice_groups(first_output: Array, *, group: int, group_outputs: int, slice_groups: int) -> tuple[Array, ...]:
    first = min(int(first_output[0]) // group_outputs, group - slice_groups)
    return np.array([first]), np.array([slice_groups]), first_output - first * group_outputs


def group_inputs(
    x: Array, first_group: Array, num_groups: Array, first_input: Array, num_inputs: Array, *, group: int
) -> tuple[Array, ...]:
    by_group = x.reshape(len(x), group, -1, *x.shape[2:])
    g, i = int(first_group[0]), int(first_input[0])
    part = by_group[:, g : g + int(num_groups[0]), i : i + int(num_inputs[0])]
    moved = part.transpose(2, 1, 0, *range(3, part.ndim))
    return (moved.reshape(len(moved), -1, *x.shape[2:]),)


def place_channels(part: Array, start: Array, length: Array) -> tuple[Array, ...]:
    whole = np.zeros((len(part), int(length[0]), *part.shape[2:]), dtype=part.dtype)
    whole[:, int(start[0]) : int(start[0]) + part.shape[1]] = part
    return (whole,)


def sum_positions(x: Array) -> tuple[Array, ...]:
    return (x.astype(np.float64).sum(axis=(0, *range(2, x.ndim))),)
