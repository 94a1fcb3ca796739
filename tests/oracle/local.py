"""One training step of a locally connected block (design, section 2), in float64.

    z[n, o, p] = alpha[o, p] * sum over c, k of patch[n, c, p, k] * sign(W[o, c, p, k]) + b[o, p]

Weights are (outputs, inputs, positions, taps), biases (outputs, positions); alpha is the mean of |W| over inputs and taps. The
head sees outputs and positions flattened, or the mean of each output over its positions. A slice is of outputs and inputs, at
all positions and taps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.oracle.dense import Array, DenseBlock, Slice

__all__ = ["LocalBlock"]


@dataclass
class LocalBlock(DenseBlock):
    """As the dense block, with a window of ``kernel`` that moves by ``strides`` over the image with ``pads`` around it.

    Inputs are (N, channels, height, width); ``pads`` are top, left, bottom, right.
    """

    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    head_pool: str = "none"

    def patches(self, x: Array) -> Array:
        """What each position sees: (N, channels, positions, taps)."""
        top, left, bottom, right = self.pads
        image = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        views = np.lib.stride_tricks.sliding_window_view(image, self.kernel, axis=(2, 3))
        views = views[:, :, :: self.strides[0], :: self.strides[1]]
        return views.reshape(*x.shape[:2], -1, self.kernel[0] * self.kernel[1])

    def forward(self, x: Array) -> Array:
        """Return z of all outputs and positions, flattened."""
        weight, alpha = self.weight, np.ones(self.bias.shape)
        if self.binarize != "none":
            weight = np.where(self.weight >= 0, 1.0, -1.0)
            magnitude = np.abs(self.weight)
            alpha = magnitude.mean(axis=(1, 3)) if self.alpha == "row" else np.full(self.bias.shape, magnitude.mean())
        sums = np.einsum("ncpk,ocpk->nop", self.patches(x), weight)
        return np.asarray(sums * alpha + self.bias).reshape(len(x), -1)

    def _units(self, h: Array) -> Array:
        return h.reshape(len(h), *self.bias.shape).mean(axis=2) if self.head_pool == "average" else h

    def _grad_output(self, grad_units: Array) -> Array:
        positions = self.bias.shape[1]
        return np.repeat(grad_units / positions, positions, axis=1) if self.head_pool == "average" else grad_units

    def _gradients(self, grad_z: Array, x: Array, part: Slice) -> tuple[Array, Array]:
        i0, i1, j0, j1 = part
        errors = grad_z.reshape(len(x), *self.bias.shape)[:, j0:j1]
        return np.einsum("nop,ncpk->ocpk", errors, self.patches(x)[:, i0:i1]), errors.sum(axis=0)
