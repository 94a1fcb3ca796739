"""Optimizers, W <- clip(W - optimizer(delta_W), -limit, limit), and the signs of what they leave."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["adam_update", "clip_to", "momentum_update", "normalized_update", "pack_signs", "rate_after", "sgd_update"]


def rate_after(rate: Array, computed: Array) -> tuple[Array, ...]:
    """As it is, whatever it waits for."""
    return (rate,)


def clip_to(x: Array, *, limit: float = 1.0) -> tuple[Array, ...]:
    return (np.clip(x.astype(np.float64), -limit, limit),)


def sgd_update(w: Array, grad: Array, rate: Array, origin: Array | None, *, limit: float = 1.0) -> tuple[Array, ...]:
    return clip_to(w - np.float64(rate) * grad, limit=limit)


def momentum_update(
    w: Array, grad: Array, rate: Array, velocity: Array, origin: Array | None, *, limit: float = 1.0
) -> tuple[Array, ...]:
    velocity_next = 0.9 * velocity.astype(np.float64) + grad
    return (*clip_to(w - float(rate) * velocity_next, limit=limit), velocity_next)


def adam_update(
    w: Array,
    grad: Array,
    rate: Array,
    mean: Array,
    variance: Array,
    step_count: Array,
    origin: Array | None,
    *,
    limit: float = 1.0,
) -> tuple[Array, ...]:
    """Kingma and Ba (2015), algorithm 1."""
    count = int(step_count) + 1
    mean_next = 0.9 * mean.astype(np.float64) + 0.1 * grad.astype(np.float64)
    variance_next = 0.999 * variance.astype(np.float64) + 0.001 * grad.astype(np.float64) ** 2
    direction = mean_next / (1 - 0.9**count) / (np.sqrt(variance_next / (1 - 0.999**count)) + 1e-8)
    w_next = np.clip(w - float(rate) * direction, -limit, limit)
    return w_next, mean_next, variance_next, np.array(count, dtype=np.int32)


def normalized_update(
    w: Array,
    grad: Array,
    rate: Array,
    power: Array,
    step_count: Array,
    origin: Array | None,
    *,
    limit: float = 1.0,
    length: float = 1.0,
) -> tuple[Array, ...]:
    """By the power of the steps before; until there is one, steps only measure."""
    count, before = int(step_count) + 1, float(power)
    lengths = grad.astype(np.float64) / (np.sqrt(before) + 1e-12) if before else np.zeros(grad.shape)
    power_next = before + max(1 / 256, 1 / count) * (np.square(grad, dtype=np.float64).mean() - before)
    w_next = np.clip(w - float(rate) * length * np.clip(lengths, -10, 10), -limit, limit)
    return w_next, np.array(power_next), np.array(count, dtype=np.int32)


def pack_signs(w: Array, signs: Array, abs_sum: Array, origin: Array | None) -> tuple[Array, ...]:
    """Inputs lie along the last axis but one."""
    return np.where(w >= 0, 1, -1).astype(np.int8), np.abs(w.astype(np.float64)).sum(axis=-2)
