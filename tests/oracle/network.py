"""One training step of a block of several layers, in float64: what stands between layers, and errors back through all of them.

    h[0] = x,  z[l] = layer l of h[l-1],  y[l] = what stands behind it,  h[l] = y[l], or its bits with their scale

    dL/dh[l-1] = dL/dz[l] through layer l's weights,  dL/dy[l] = dL/dh[l], or inside the window of the bits only

Layers are :class:`DenseBlock` and :class:`ConvBlock` without a head, whose weights move by their own rules; the last one's
output is that of the model. Values are (N, units): a layer's own shape is known to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.oracle.dense import Array, DenseBlock, Slice

__all__ = ["Mean", "Network", "Pool", "Relu", "Stage"]


class Relu:
    """max(0, z)."""

    def forward(self, z: Array) -> Array:
        self._is_open = z > 0
        return np.maximum(z, 0)

    def backward(self, grad: Array) -> Array:
        return np.asarray(grad * self._is_open)


@dataclass
class Pool:
    """The largest of each square of four; the error goes to the first that is as large."""

    shape: tuple[int, int, int]
    _first: Array = field(default_factory=lambda: np.zeros(0))

    def forward(self, z: Array) -> Array:
        squares = self._squares(z)
        self._first = np.eye(4)[squares.argmax(axis=-1)]
        return np.asarray(squares.max(axis=-1).reshape(len(z), -1))

    def backward(self, grad: Array) -> Array:
        channels, height, width = self.shape
        squares = (grad.reshape(self._first.shape[:-1])[..., None] * self._first).reshape(*self._first.shape[:-1], 2, 2)
        return squares.transpose(0, 1, 2, 4, 3, 5).reshape(len(grad), channels * height * width)

    def _squares(self, z: Array) -> Array:
        channels, height, width = self.shape
        rows = z.reshape(len(z), channels, height // 2, 2, width // 2, 2)
        return rows.transpose(0, 1, 2, 4, 3, 5).reshape(len(z), channels, height // 2, width // 2, 4)


@dataclass
class Mean:
    """The mean of all positions of a channel."""

    positions: int

    def forward(self, z: Array) -> Array:
        return np.asarray(z.reshape(len(z), -1, self.positions).mean(axis=2))

    def backward(self, grad: Array) -> Array:
        return np.repeat(grad / self.positions, self.positions, axis=1)


@dataclass(eq=False)
class Stage:
    """A layer, what it reads at one time (channels and size where it is a convolution), and what stands behind it.

    Where its output becomes bits, ``layer.scale`` is the running mean of |y| and ``layer.momentum`` the share of it that is kept;
    the next layer reads the scale with the bits if ``is_scaled``.
    """

    layer: DenseBlock
    shape: tuple[int, ...]
    behind: Sequence[Relu | Pool | Mean] = ()
    has_bits: bool = False
    is_scaled: bool = False
    x: Array = field(default_factory=lambda: np.zeros(0))
    y: Array = field(default_factory=lambda: np.zeros(0))

    def forward(self, x: Array, *, follows: bool = False) -> Array:
        """What the next layer reads; bits have the scale that the step before has left, or one that has followed y."""
        self.x = x.reshape(len(x), *self.shape)
        self.y = self.layer.forward(self.x)
        for each in self.behind:
            self.y = each.forward(self.y)
        if self.has_bits and follows:
            self.follow_scale()
        return self.bits() if self.has_bits else self.y

    def bits(self) -> Array:
        return (self.layer.scale if self.is_scaled else 1.0) * self.layer.bits(self.y)

    def follow_scale(self) -> None:
        kept = self.layer.momentum
        self.layer.scale = kept * self.layer.scale + (1 - kept) * float(np.abs(self.y).mean())

    def backward(self, grad: Array) -> Array:
        """The error at the layer's output, given that of what the next one reads."""
        if self.has_bits:
            grad = grad * self.layer.window(self.y)
        for each in reversed(self.behind):
            grad = each.backward(grad)
        return grad

    def send(self, grad_z: Array) -> Array:
        """The error of what the layer reads: it is linear in that, so its matrix is what it makes of single ones."""
        units = np.eye(int(np.prod(self.shape))).reshape(-1, *self.shape)
        matrix = self.layer.forward(units) - self.layer.forward(np.zeros((1, *self.shape)))
        return np.asarray(grad_z @ matrix.T)


class Network:
    """Stages that one loss trains: the cross-entropy of the last one's output."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = stages

    def forward(self, x: Array, *, follows: bool = False) -> Array:
        for stage in self.stages:
            x = stage.forward(x, follows=follows)
        return x

    def step(self, x: Array, target: Array, rate: float, parts: Sequence[Slice]) -> float:
        """Update slice ``parts[l]`` of layer l and return the loss; all errors are those of the weights before the step."""
        x = self.forward(x, follows=True)
        shifted = x - x.max(axis=1, keepdims=True)
        logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        truth = np.eye(x.shape[1])[target]
        grad = (np.exp(logarithms) - truth) / len(x)
        for stage, part in zip(reversed(self.stages), reversed(parts)):
            grad_z = stage.backward(grad)
            grad = stage.send(grad_z)  # before the weights move
            stage.layer.move(grad_z, stage.x, rate, part)
        return float(-(logarithms * truth).sum() / len(x))
