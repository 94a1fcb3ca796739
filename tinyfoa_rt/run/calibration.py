"""What is measured when a block begins: the scale of its output, running statistics, and the power of its inputs.

Measures are means that a few outliers do not move: what is beyond ten times the median counts as ten times the median. Where
nothing is, they are plain means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.names import scale_of, statistics_of
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState

__all__ = ["CALIBRATION_SAMPLES", "calibrate", "input_powers", "robust_mean"]

Array = NDArray[Any]
# Samples from which the rate and the scale of a block are measured.
CALIBRATION_SAMPLES = 500
_MOST_OF_MEDIAN = 10.0


def robust_mean(values: Array) -> float:
    """Mean of ``values`` (N,), none negative, each at most ten times the median of those above 0."""
    positive = values[values > 0]
    return float(np.minimum(values, _MOST_OF_MEDIAN * np.median(positive)).mean()) if positive.size else 0.0


def calibrate(
    training: BlockTraining, state: ModelState, fill: Callable[[int], None], batch: int, *, is_new: bool = True
) -> Array:
    """Return mean x^2 of what the block's layers read, for each of 500 samples; measure statistics and scale of a new block.

    A block that has been trained keeps its statistics and its scale: they go on following what it computes. Steps at rate 0
    change nothing but these: from 0 a running mean with share m reaches (1 - m^k) of the mean in k steps.

    Args:
        training: the block, with an active slice.
        state: where its scale is.
        fill: puts batch ``k`` into the block's inputs.
        batch: samples a step.
        is_new: whether it trains for the first time.
    """
    record = training.record
    num_batches = max(1, CALIBRATION_SAMPLES // batch)
    for index in range(len(record.statistics) if is_new else 0):  # what lies behind another one is measured after it
        _measure_statistics(training, state, fill, (num_batches, index))
    if is_new:
        _measure_scales(training, state, fill, num_batches)
    powers = []
    for index in range(num_batches):
        fill(index)
        powers.append(input_powers(training, state))
    training.reset_optimizer()
    return np.concatenate(powers)


def _measure_scales(training: BlockTraining, state: ModelState, fill: Callable[[int], None], num_batches: int) -> None:
    """Measure mean |z| of what becomes the bits of each value, in their order: what is scaled reads what was scaled before.

    From 0 a step leaves the new share of the batch's mean; it moves the others too, which are put back.
    """
    measured: dict[str, float] = {}

    def put(scales: Mapping[str, float]) -> None:
        for name, scale in scales.items():
            state.others[scale_of(name)][...] = scale

    for value in training.record.binary:
        scales = []
        for index in range(num_batches):
            fill(index)
            put({**measured, value: 0.0})
            training.step(0.0)
            scales.append(float(state.others[scale_of(value)]))
        measured[value] = robust_mean(np.array(scales)) / (1 - training.record.scale_momentum)
    put(measured)


def _measure_statistics(training: BlockTraining, state: ModelState, fill: Callable[[int], None], which: tuple[int, int]) -> None:
    """Measure mean and variance of what a batch normalization sees; from 0 a step leaves the new share of the batch's moments."""
    num_batches, position = which
    mean, variance = (state.others[name] for name in statistics_of(training.record.statistics[position]))
    share = 1 - training.record.statistics_momentum[position]
    means, squares = [], []
    for index in range(num_batches):
        fill(index)
        mean[...], variance[...] = 0, 0
        training.step(0.0)
        means.append(mean.astype(np.float64) / share)
        squares.append(variance.astype(np.float64) / share + share * means[-1] ** 2)
    powers = np.array([each.mean() for each in squares])
    is_usual = powers <= _MOST_OF_MEDIAN * np.median(powers)
    mean[...] = np.array(means)[is_usual].mean(axis=0)
    variance[...] = np.array(squares)[is_usual].mean(axis=0) - np.square(mean, dtype=np.float64)


def input_powers(training: BlockTraining, state: ModelState) -> Array:
    """Mean x^2 of the block's inputs for each sample of the batch, (batch,); of bits and levels times s^2 of a scale."""
    powers = []
    for name, array in training.inputs.items():
        rows = array.reshape(len(array), -1)
        if array.dtype in (np.uint8, np.uint32):
            scale = float(state.others[scale_of(name)]) if training.has_scaled_inputs else 1.0
            whole = rows if array.dtype == np.uint8 else np.unpackbits(rows.view(np.uint8), axis=1)
            squares = np.square(whole, dtype=np.int64).sum(axis=1)  # of bits the number of ones
            powers.append(scale**2 * squares / training.input_bits(name))
        else:
            powers.append(np.square(rows, dtype=np.float64).mean(axis=1))
    return np.asarray(np.mean(powers, axis=0))
