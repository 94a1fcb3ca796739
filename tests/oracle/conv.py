"""One training step of a convolution block (design, section 2), in float64, with what may stand between layer and output.

    z[n, o, p] = alpha[o] * sum over c, k of x[n, g(o) + c, p . stride + k . dilation - pad] * sign(W[o, c, k]) + b[o]

where g(o) is the first input channel of o's group. Then, each where asked for, batch normalization by running statistics and the
addition of a skip tensor. Weights are (outputs, inputs of a group, *taps); a slice is of outputs and of a group's inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tests.oracle.dense import Array, DenseBlock, Slice

__all__ = ["ConvBlock", "Normalization"]


@dataclass
class Normalization:
    """Running mean and variance, of which a step keeps the share ``momentum``; the gain stays, the shift takes plain steps."""

    gain: Array
    shift: Array
    mean: Array
    variance: Array
    momentum: float
    epsilon: float = 1e-5

    def moments(self, z: Array) -> tuple[Array, Array]:
        """Mean and variance after a step on z, (N, outputs, positions): those of the mixture of what was and what came."""
        kept, new = self.momentum, 1 - self.momentum
        mean = kept * self.mean + new * z.mean(axis=(0, 2))
        square = kept * (self.variance + self.mean**2) + new * (z**2).mean(axis=(0, 2))
        return mean, square - mean**2

    def factor(self, variance: Array) -> Array:
        return np.asarray(self.gain / np.sqrt(variance + self.epsilon))


@dataclass
class ConvBlock(DenseBlock):
    """As the dense block, over images (N, channels, height, width); ``pads`` are top, left, bottom, right."""

    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    group: int = 1
    head_pool: str = "none"
    normalization: Normalization | None = None
    skip: Array | None = None
    _size: tuple[int, int] = (1, 1)
    _mean: Array = field(default_factory=lambda: np.zeros(0))
    _variance: Array = field(default_factory=lambda: np.zeros(0))
    _shift_grad: Array = field(default_factory=lambda: np.zeros(0))

    def patches(self, x: Array, ins: slice = slice(None)) -> Array:
        """What each output sees: (N, outputs, inputs of a group x taps, positions)."""
        kernel, (top, left, bottom, right) = self.weight.shape[2:], self.pads
        image = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        reach = [self.dilations[a] * (kernel[a] - 1) + 1 for a in (0, 1)]
        views = np.lib.stride_tricks.sliding_window_view(image, reach, axis=(2, 3))
        views = views[:, :, :: self.strides[0], :: self.strides[1], :: self.dilations[0], :: self.dilations[1]]
        n, _, height, width = views.shape[:4]
        self._size = height, width
        taps = views.transpose(0, 1, 4, 5, 2, 3).reshape(n, self.group, -1, kernel[0] * kernel[1], height * width)
        rows = taps[:, :, ins].reshape(n, self.group, -1, height * width)
        return np.asarray(np.repeat(rows, len(self.weight) // self.group, axis=1))

    def forward(self, x: Array) -> Array:
        """Return what is binarized, (N, outputs x positions): z, normalized, with the skip tensor added."""
        return self._behind(self._product(x))

    def _product(self, x: Array) -> Array:
        flat = self.weight.reshape(len(self.weight), -1)
        alpha = np.ones(len(flat))
        if self.has_signs:
            rows = np.abs(flat).mean(axis=1)
            alpha = rows if self.alpha == "row" else np.full(len(flat), rows.mean())
            flat = np.where(flat >= 0, 1.0, -1.0)
        sums = (flat[:, None, :] @ self.patches(x))[:, :, 0]
        return np.asarray(sums * alpha[:, None] + self.bias[:, None])

    def _behind(self, z: Array) -> Array:
        if self.normalization is not None:
            self._mean, self._variance = self.normalization.moments(z)
            factor = self.normalization.factor(self._variance)
            z = factor[:, None] * (z - self._mean[:, None]) + self.normalization.shift[:, None]
        if self.skip is not None:
            z = z + self.skip.reshape(z.shape)
        return z.reshape(len(z), -1)

    def step(self, x: Array, target: Array, rate: float, *parts: Slice) -> float:
        loss = super().step(x, target, rate, *parts)
        if self.normalization is not None:
            (part,) = parts
            self.normalization.shift[part[2] : part[3]] -= min(1, self.weight[0].size / 196) * rate * self._shift_grad
            self.normalization.mean, self.normalization.variance = self._mean, self._variance
        return loss

    def _units(self, h: Array) -> Array:
        return (h.reshape(len(h), len(self.bias), -1) @ self._shares()).reshape(len(h), -1)

    def _grad_output(self, grad_units: Array) -> Array:
        return (grad_units.reshape(len(grad_units), len(self.bias), -1) @ self._shares().T).reshape(len(grad_units), -1)

    def _shares(self) -> Array:
        """The share of each position in each number that the head sees of a channel: (positions, numbers)."""
        if self.head_pool == "none":
            return np.eye(self._size[0] * self._size[1])
        cells = {"average": 1, "grid": 4}[self.head_pool]
        edge = [-(-length // cells) for length in self._size]
        places = [(row // edge[0], column // edge[1]) for row in range(self._size[0]) for column in range(self._size[1])]
        member = np.array([[place == cell for cell in sorted(set(places))] for place in places])
        return np.asarray(member / member.sum(axis=0))

    def _gradients(self, grad_z: Array, x: Array, part: Slice) -> tuple[Array, Array]:
        i0, i1, j0, j1 = part
        errors = grad_z.reshape(len(x), len(self.bias), -1)
        if self.normalization is not None:  # its statistics are taken as constants
            self._shift_grad = errors[:, j0:j1].sum(axis=(0, 2))
            errors = errors * self.normalization.factor(self._variance)[:, None]
        errors = errors[:, j0:j1]
        grad = (self.patches(x, slice(i0, i1))[:, j0:j1] @ errors[..., None]).sum(axis=0)
        return grad.reshape(j1 - j0, i1 - i0, *self.weight.shape[2:]), errors.sum(axis=(0, 2))
