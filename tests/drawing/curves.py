"""Metrics of trainings that never were."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

__all__ = ["Metrics", "interleaved", "layer_wise"]

Metrics = list[dict[str, object]]


def layer_wise(blocks: Sequence[str], rows: int, epochs: int = 5, steps_a_row: int = 600) -> Metrics:
    """Blocks trained one after the other, each a little better than the one before; ``rows`` a block."""
    noise = random.Random(0)
    metrics: Metrics = []
    for index, block in enumerate(blocks):
        best = 0.3 / (index + 1)
        for row in range(rows):
            part = (row + 1) / rows
            loss = best + (1.6 / (index + 1)) * math.exp(-5 * part) + best * 0.3 * abs(noise.gauss(0, 1)) * (rows > 40)
            step = (len(metrics) + 1) * steps_a_row
            epoch = 1 + row * epochs // rows
            metrics.append({"step": step, "block": block, "epoch": epoch, "loss": loss, "accuracy": math.exp(-loss / 3)})
    return metrics


def interleaved(blocks: Sequence[str], rows: int) -> Metrics:
    """All blocks trained in turn on each batch."""
    own = [layer_wise([block] * (index + 1), rows)[-rows:] for index, block in enumerate(blocks)]
    return [{**row, "step": step} for step, turn in enumerate(zip(*own), start=1) for row in turn]
