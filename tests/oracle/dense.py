"""One training step of a dense block (design, section 2; Huang and Aminifar, AAAI 2025), in float64.

Weights are (n_out, n_in), inputs (N, n_in). A slice is ``(in_start, in_stop, out_start, out_stop)``; only it is updated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DenseBlock", "Slice", "size_of"]

Array = NDArray[Any]
Slice = tuple[int, int, int, int]


def size_of(weight: NDArray[Any]) -> float:
    """The root of the mean square, to three digits."""
    return float(f"{np.sqrt(np.square(weight.astype(float)).mean()):.3g}")


@dataclass
class DenseBlock:
    """Latent weights, bias, local head and the running scale; state of the optimizer for each slice.

    ``input_center`` is what the gradient takes off the input: 1/2 where that is bits that carry no scale. With ``head_learns``
    the head takes a step of the optimizer too, after it has sent its error. Normalized steps of weights and biases
    are in units of ``length``, the size of the weights at the start; those of a head, whose size is 1, are ten times as long
    where it sees real numbers. With ``has_levels`` what is handed on is not 1[z > 0], but the whole number from 0 to 3 that
    z / scale is nearest to.
    """

    weight: Array
    bias: Array
    head: Array | None
    binarize: str = "both"
    optimizer: str = "sgd"
    scale: float = 0.0
    momentum: float = 0.99
    window_floor: float = 0.0
    alpha: str = "row"
    input_center: float = 0.0
    head_learns: bool = False
    length: float = 1.0
    has_levels: bool = False
    states: dict[Slice, dict[str, Array]] = field(default_factory=dict)
    head_state: dict[str, Array] = field(default_factory=dict)
    _seen: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def has_signs(self) -> bool:
        """Whether products use signs of weights."""
        return self.binarize in ("both", "weights")

    @property
    def has_bits(self) -> bool:
        """Whether the output is binarized."""
        return self.binarize in ("both", "activations")

    def forward(self, x: Array) -> Array:
        """Return z = alpha (x . sign(W)^T) + b, or x . W^T + b without binarization."""
        if not self.has_signs:
            return np.asarray(x @ self.weight.T + self.bias)
        signs = np.where(self.weight >= 0, 1.0, -1.0)
        alpha = np.abs(self.weight).mean(axis=1) if self.alpha == "row" else np.abs(self.weight).mean()
        return np.asarray(x @ signs.T * alpha + self.bias)

    def step(self, x: Array, target: Array, rate: float, *parts: Slice) -> float:
        """Update slices by one error and return the loss; ``x`` is real (a binary input comes as scale times bits)."""
        z = self.forward(x)
        logits = self._logits(z)
        shifted = logits - logits.max(axis=1, keepdims=True)
        logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        truth = np.eye(logits.shape[1])[target]
        loss = -(logarithms * truth).sum() / len(x)
        grad_logits = (np.exp(logarithms) - truth) / len(x)
        grad_z = self._grad_z(grad_logits, z)
        for part in parts:
            self.move(grad_z, x, rate, part)
        if self.head is not None and self.head_learns:
            grad_head = self.gain * grad_logits.T @ self._seen
            self.head = self.head - rate * self.head_length * self._change(self.head_state, "head", grad_head)
        return float(loss)

    @property
    def head_length(self) -> float:
        return 10.0 if self.optimizer == "normalized" and self.binarize != "both" else 1.0

    def move(self, grad_z: Array, x: Array, rate: float, part: Slice) -> None:
        """Update slice ``part`` by the error at the output."""
        grad_w, grad_b = self._gradients(grad_z, x - self.input_center, part)
        self._update(part, grad_w, grad_b, rate)

    def _gradients(self, grad_z: Array, x: Array, part: Slice) -> tuple[Array, Array]:
        i0, i1, j0, j1 = part
        return grad_z[:, j0:j1].T @ x[:, i0:i1], grad_z[:, j0:j1].sum(axis=0)

    def _logits(self, z: Array) -> Array:
        if self.head is None:
            return z
        if self.has_bits:
            self.scale = self.momentum * self.scale + (1 - self.momentum) * float(np.abs(z).mean())
            h = self.scale * self.bits(z)
        else:
            h = np.maximum(z, 0)
        self._seen = self._units(h)
        return np.asarray(self.gain * (self._seen @ self.head.T))

    def bits(self, z: Array) -> Array:
        """What the next block reads of z, without the scale."""
        return np.clip(np.floor(z / self.scale + 0.5), 0, 3) if self.has_levels else np.asarray(z > 0, dtype=float)

    def window(self, z: Array) -> Array:
        """Where an error passes."""
        if self.has_levels:
            return np.asarray((z > -0.5 * self.scale) & (z < 3.5 * self.scale))
        return np.asarray((z > self.window_floor) & (z < 1))

    def _units(self, h: Array) -> Array:
        """What the head sees of the block's output."""
        return h

    def _grad_output(self, grad_units: Array) -> Array:
        """The error of the block's output, given that of what the head sees."""
        return grad_units

    @property
    def gain(self) -> float:
        assert self.head is not None
        return float(np.sqrt(2 / self.head.shape[1]))

    def _grad_z(self, grad_logits: Array, z: Array) -> Array:
        if self.head is None:
            return grad_logits
        grad_h = self._grad_output(self.gain * (grad_logits @ self.head))
        window = self.window(z) if self.has_bits else z > 0
        return np.asarray(grad_h * window)

    def _update(self, part: Slice, grad_w: Array, grad_b: Array, rate: float) -> None:
        i0, i1, j0, j1 = part
        state = self.states.setdefault(part, {})
        rate = rate * self.length
        change_w = self._change(state, "w", grad_w)
        change_b = self._change(state, "b", grad_b)
        moved = self.weight[j0:j1, i0:i1] - rate * change_w
        self.weight[j0:j1, i0:i1] = np.clip(moved, -1, 1) if self.has_signs else moved
        self.bias[j0:j1] -= rate * change_b

    def _change(self, state: dict[str, Array], name: str, grad: Array) -> Array:
        if self.optimizer == "sgd":
            return grad
        if self.optimizer == "momentum":
            state[name] = 0.9 * state.get(name, np.zeros_like(grad)) + grad
            return state[name]
        count = int(state.get(f"{name}.count", np.zeros(()))) + 1
        state[f"{name}.count"] = np.array(count)
        if self.optimizer == "normalized":
            power = state.get(f"{name}.power", np.zeros(()))
            state[f"{name}.power"] = power + max(1 / 256, 1 / count) * ((grad**2).mean() - power)
            return np.clip(grad / (np.sqrt(power) + 1e-12), -10, 10) if power > 0 else 0 * grad
        state[f"{name}.mean"] = 0.9 * state.get(f"{name}.mean", 0) + 0.1 * grad
        state[f"{name}.variance"] = 0.999 * state.get(f"{name}.variance", 0) + 0.001 * grad**2
        mean = state[f"{name}.mean"] / (1 - 0.9**count)
        variance = state[f"{name}.variance"] / (1 - 0.999**count)
        return np.asarray(mean / (np.sqrt(variance) + 1e-8))
