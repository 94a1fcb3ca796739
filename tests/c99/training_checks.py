"""Steps of a block in C99 and on onnxruntime, and how far apart they may be."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.c99.trained_pair import Pair
from tinyfoa_rt.ir.names import own

STEPS = 60
# A step differs by the rounding of sums of up to 70 products (70 * 6e-8 at most) and by two ulp of exp and log; 60 steps add up.
# Rates of 1 % more give losses that differ by 1e-3 (test_a_one_percent_error_is_noticed).
TOLERANCE = 2e-5


def data_of(pair: Pair, steps: int = STEPS, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    batch, inputs = pair.device.model.program.batch, pair.device.model.program.input_size
    x = rng.normal(0, 1, (steps, batch, inputs)).astype(np.float32)
    if pair.device.model.program.takes_vectors:
        return x, rng.normal(0, 1, (steps, batch, pair.device.model.program.output_size)).astype(np.float32)
    return x, rng.integers(0, pair.device.model.program.output_size, (steps, batch))


def check_block(pair: Pair, index: int, rates: tuple[float, float], shape: tuple[int, ...] = (-1,)) -> None:
    """Some steps of a block on samples of a shape."""
    x, y = data_of(pair, seed=index)
    losses = pair.train_block(index, x.reshape(*x.shape[:2], *shape), y, rates)
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], rtol=TOLERANCE, atol=TOLERANCE)
    for layer in pair.artifact.blocks[index].layers:
        ours, expected = pair.device.weights(layer.name), pair.state.layers[layer.name].weight
        np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE)
        if layer.is_binary:
            assert ((ours >= 0) != (expected >= 0)).sum() <= expected.size // 10_000
    check_kept(pair, index)
    pair.device.next_block()


def check_kept(pair: Pair, index: int) -> None:
    """What the block's method keeps and steps change, with what the optimizer keeps of it; all of it has changed."""
    optimizer = pair.device.model.source.stored.optimizer
    for stored in (each.stored for each in pair.device.model.source.blocks[index].layers if each.tensor):
        record, place = pair.device.record(stored.name), 0
        kinds = sorted(optimizer.kept, key=optimizer.scalars.__contains__) if stored.has_states else []  # as record.c has them
        for name in (stored.name, *(own(stored.name, kind) for kind in kinds)):
            expected = pair.state.others[name]
            ours = record[place : place + expected.size].view(expected.dtype).reshape(expected.shape)
            assert np.any(expected != pair.artifact.initial[name])
            np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max(), err_msg=name)
            place += expected.size
        assert place == len(record)
