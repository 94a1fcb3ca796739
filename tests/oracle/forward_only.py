"""Networks of dense layers that are trained without a backward pass, in float64, written from the methods' papers.

Weights are (n_in, n_out), samples are rows. With ``is_binary`` hidden weights are signs times mean |W| of each output, hidden
activations are 0 or 1, and the gradient takes 1/2 off them; the classifier's weights stay real.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Drtp", "ForwardForward", "Network", "Pass", "Pepita", "softmax"]

Array = NDArray[Any]


@dataclass
class Pass:
    """What a forward pass leaves: of each layer its input and z, and of each hidden layer h."""

    inputs: list[Array]
    z: list[Array]
    h: list[Array]


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@dataclass
class Network:
    """Weights and biases of all layers, the classifier's last."""

    weights: list[Array]
    biases: list[Array]
    is_binary: bool

    def forward(self, x: Array, *, takes_out_length: bool = False) -> Pass:
        found = Pass([], [], [])
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            found.inputs.append(x)
            signs = np.where(weight >= 0, 1.0, -1.0) * np.abs(weight).mean(axis=0)
            found.z.append(x @ (signs if self.is_binary and k < last else weight) + bias)
            if k < last:
                found.h.append((found.z[k] > 0) * (1.0 if self.is_binary else found.z[k]))
                x = found.h[k]
                if takes_out_length:
                    x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-6)
        return found

    def slope(self, z: Array) -> Array:
        """The activation's derivative, or its straight-through window."""
        return np.asarray(np.abs(z) < 1 if self.is_binary else z > 0)

    def passes(self, x: Array, labels: Array) -> list[Pass]:
        """The forward passes of a step."""
        return [self.forward(x)]

    def margin(self, x: Array, labels: Array) -> float:
        """How near the hidden z of a step come to where an activation or its window jumps."""
        z = np.concatenate([each.ravel() for found in self.passes(x, labels) for each in found.z[: len(self.weights) - 1]])
        return float(min(np.abs(z - edge).min() for edge in ((-1, 0, 1) if self.is_binary else (0,))))

    def error(self, found: Pass, labels: Array) -> tuple[Array, float]:
        """The classifier's error and the mean cross entropy."""
        p, rows = softmax(found.z[-1]), np.arange(len(labels))
        truth = np.eye(p.shape[1])[labels]
        return (p - truth) / len(labels), float(-np.log(p[rows, labels]).mean())

    def update(self, k: int, x: Array, delta: Array, rate: float) -> None:
        is_binary = self.is_binary and k < len(self.weights) - 1
        moved = self.weights[k] - rate * (x - 0.5 * (is_binary and k > 0)).T @ delta
        self.weights[k] = moved.clip(-1, 1) if is_binary else moved
        self.biases[k] = self.biases[k] - rate * delta.sum(axis=0)


@dataclass
class Drtp(Network):
    """``projections`` are (classes, units)."""

    projections: list[Array]

    def slope(self, z: Array) -> Array:
        return super().slope(z) & (z < 1)

    def margin(self, x: Array, labels: Array) -> float:
        """To where errors end, too."""
        z = np.concatenate([each.ravel() for found in self.passes(x, labels) for each in found.z[:-1]])
        return min(super().margin(x, labels), float(np.abs(z - 1).min()))

    def step(self, x: Array, labels: Array, rate: float) -> float:
        found = self.forward(x)
        delta, loss = self.error(found, labels)
        deltas = [b[labels] / len(x) * self.slope(z) for b, z in zip(self.projections, found.z)] + [delta]
        for k, each in enumerate(deltas):
            self.update(k, found.inputs[k], each, rate)
        return loss


@dataclass
class Pepita(Network):
    """``projection`` is (classes, inputs)."""

    projection: Array

    def passes(self, x: Array, labels: Array) -> list[Pass]:
        clean = self.forward(x)
        delta, _ = self.error(clean, labels)
        return [clean, self.forward(x + len(x) * delta @ self.projection)]

    def step(self, x: Array, labels: Array, rate: float) -> float:
        clean, modulated = self.passes(x, labels)
        delta, loss = self.error(clean, labels)
        deltas = [(h - other) / len(x) for h, other in zip(clean.h, modulated.h)] + [delta]
        for k, each in enumerate(deltas):
            self.update(k, modulated.inputs[k], each, rate)
        return loss


@dataclass
class ForwardForward(Network):
    """``count`` are the steps that were taken; label c adds ``strength`` (1 - 1 / C) to feature c and takes strength / C off the
    other first ones.
    """

    strength: float
    count: int = field(default=0)

    def draw(self, x: Array, labels: Array) -> tuple[Array, Array]:
        """Up to where wrong labels add up (N, classes), and what was drawn between 0 and their sum (N, 1)."""
        doubt = softmax(self.forward(x).z[-1])
        doubt[np.arange(len(x)), labels] = 0
        u = (self.count * 40503 + np.arange(len(x)) * 30011) % (2**31 - 1)
        v = u * (u + 12345) % (2**31 - 1)
        sums = doubt.cumsum(axis=1)
        return sums, sums[:, -1:] * (u * v % (2**31 - 1) / (2**31 - 1))[:, None]

    def labelled(self, x: Array, labels: Array) -> tuple[Array, Array]:
        """Samples with own and wrong labels in turn, and which are wrong (N)."""
        classes, rows = self.weights[-1].shape[1], np.arange(len(x))
        sums, drawn = self.draw(x, labels)
        wrong = (sums < drawn).sum(axis=1)
        is_wrong = (rows + self.count) % 2
        x = x.copy()
        x[:, :classes] += self.strength * (np.eye(classes)[np.where(is_wrong, wrong, labels)] - 1 / classes)
        return x, is_wrong

    def margin(self, x: Array, labels: Array) -> float:
        """How near a step comes to where an activation jumps, or to drawing another label."""
        sums, drawn = self.draw(x, labels)
        return float(min(super().margin(x, labels), np.abs(sums - drawn).min()))

    def passes(self, x: Array, labels: Array) -> list[Pass]:
        return [self.forward(x), self.forward(self.labelled(x, labels)[0], takes_out_length=not self.is_binary)]

    def step(self, x: Array, labels: Array, rate: float) -> float:
        plain, second = self.passes(x, labels)
        delta, loss = self.error(plain, labels)
        t = 1 - 2 * self.labelled(x, labels)[1][:, None]
        threshold, steepness = (0.5, 50) if self.is_binary else (2, 10)
        for k, (h, z) in enumerate(zip(second.h, second.z)):
            goodness = (h**2).mean(axis=1, keepdims=True)
            doubt = 1 / (1 + np.exp(t * steepness * (goodness - threshold)))
            slope = steepness * 2 * h / h.shape[1]
            self.update(k, second.inputs[k], -t * doubt * slope / len(x) * self.slope(z), rate)
        self.update(len(second.h), plain.inputs[-1], delta, rate)
        self.count += 1
        return loss
