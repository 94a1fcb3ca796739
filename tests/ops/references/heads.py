"""Local heads and losses: a = g B h, p = softmax(a), delta_a = (p - y) / N, delta_h = g B^T delta_a, delta_B = g delta_a h^T.

A head that ``pools`` sees the mean of each channel, so every position of a channel has an equal share of its error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = [
    "binary_cross_entropy", "head_grad", "head_logits", "head_weight_grad", "mean_squared_error", "softmax_cross_entropy",
    "weighted_softmax_cross_entropy",
]  # fmt: skip


def head_logits(
    h: Array, scale: Array, head: Array, *, gain: float = 1.0, num_classes: int = 0, pools: int = 0
) -> tuple[Array, ...]:
    positions = tuple(range(2, h.ndim))
    units = h.mean(axis=positions, dtype=np.float64) if pools else h.reshape(len(h), -1).astype(np.float64)
    return (units @ head.astype(np.float64).T * float(scale) * gain,)


def head_grad(
    grad_logits: Array, head: Array, origin: Array, *,
    output_shape: tuple[int, ...], gain: float = 1.0, channel_units: int = 1, pools: int = 0,
) -> tuple[Array, ...]:  # fmt: skip
    first, count = int(origin[1]) * channel_units, int(origin[3]) * channel_units
    grad = grad_logits.astype(np.float64) @ head.astype(np.float64)[:, first : first + count] * gain
    if not pools:
        return (grad.reshape(len(grad_logits), -1, *output_shape[2:]),)
    positions = output_shape[2:]
    repeated = np.repeat(grad / np.prod(positions), int(np.prod(positions)), axis=1)
    return (repeated.reshape(*grad.shape, *positions),)


def head_weight_grad(
    grad_logits: Array, h: Array, scale: Array, grad_h: Array, *, gain: float = 1.0, pools: int = 0
) -> tuple[Array, ...]:
    samples = h.astype(np.float64).reshape(*h.shape[:2], -1)
    units = samples.mean(axis=2) if pools else samples.reshape(len(h), -1)
    return (np.einsum("nc,nu->cu", grad_logits.astype(np.float64), units) * float(scale) * gain,)


def softmax_cross_entropy(logits: Array, target: Array) -> tuple[Array, ...]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    rows = np.arange(len(logits))
    loss = -np.log(probabilities[rows, target]).mean()
    probabilities[rows, target] -= 1
    return probabilities / len(logits), np.asarray(loss)


def weighted_softmax_cross_entropy(logits: Array, target: Array, weights: Array) -> tuple[Array, ...]:
    """Sample by sample: L = sum_n w_y(n) L_n / N."""
    grads, losses = zip(*(softmax_cross_entropy(logits[n : n + 1], target[n : n + 1]) for n in range(len(logits))))
    factors = weights[target].astype(np.float64) / len(logits)
    return np.concatenate(grads) * factors[:, None], np.asarray(np.dot(factors, losses))


def binary_cross_entropy(logits: Array, target: Array) -> tuple[Array, ...]:
    z = logits.astype(np.float64)
    return (1 / (1 + np.exp(-z)) - target) / len(z), np.asarray((np.logaddexp(0, z) - z * target).sum() / len(z))


def mean_squared_error(logits: Array, target: Array) -> tuple[Array, ...]:
    difference = logits.astype(np.float64) - target
    return difference / difference.size, np.asarray((difference**2).mean() / 2)
