"""What both orders of training share: a report of a step, and the calibration with which a block begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.ir.names import scale_of, statistics_of
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.records import BlockRecord, Manifest
from tinyfoa_rt.run.settings import BlockSize, rate_of_block

__all__ = ["Report", "calibrate", "input_power", "starting_rate"]

Array = NDArray[Any]
# Samples from which the scale of a block is measured before it trains.
_CALIBRATION_SAMPLES = 500


@dataclass(frozen=True)
class Report:
    """One step, for people and for the log.

    Attributes:
        block: its name.
        epoch: of the block, from 0.
        step: of the block, from 0.
        num_steps: steps that the block takes in all.
        total_steps: steps of all blocks so far, this one included.
        loss: mean of the batch.
        accuracy: of the block's head on the batch.
    """

    block: str
    epoch: int
    step: int
    num_steps: int
    total_steps: int
    loss: float
    accuracy: float


def calibrate(training: BlockTraining, state: ModelState, fill: Callable[[int], None], batch: int) -> float:
    """Measure running statistics and the scale of a block's output, and return the mean square of what its layers read.

    Steps at rate 0 change nothing but these: from 0 a running mean with share m reaches (1 - m^k) of the mean in k steps.

    Args:
        training: the block, with an active slice.
        state: where its scale is.
        fill: puts batch ``k`` into the block's inputs.
        batch: samples a step.
    """
    record = training.record
    num_batches = max(1, _CALIBRATION_SAMPLES // batch)
    for index in range(len(record.statistics)):  # what lies behind another one is measured after it
        _measure_statistics(training, state, fill, (num_batches, index))
    power = []
    scales = []
    for index in range(num_batches):
        fill(index)
        power.append(input_power(training, state))
        if record.scale:
            state.others[record.scale][...] = 0
            training.step(0.0)
            scales.append(float(state.others[record.scale]))
    if record.scale:
        # One step from 0 leaves the new share of the batch's mean.
        state.others[record.scale][...] = np.mean(scales) / (1 - record.scale_momentum)
    training.reset_optimizer()
    return float(np.mean(power))


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
    mean[...] = np.mean(means, axis=0)
    variance[...] = np.mean(squares, axis=0) - np.square(mean, dtype=np.float64)


def input_power(training: BlockTraining, state: ModelState) -> float:
    """Mean x^2 over the batch in the block's inputs; of bits it is the share of ones, times s^2 where they have a scale."""
    powers = []
    for name, array in training.inputs.items():
        if array.dtype in (np.uint8, np.uint32):
            scale = float(state.others[scale_of(name)]) if training.has_scaled_inputs else 1.0
            ones = np.count_nonzero(array if array.dtype == np.uint8 else np.unpackbits(array.view(np.uint8)))
            powers.append(scale**2 * int(ones) / (len(array) * training.input_bits(name)))
        else:
            powers.append(float(np.mean(np.square(array, dtype=np.float64))))
    return float(np.mean(powers))


def starting_rate(manifest: Manifest, record: BlockRecord, head_units: int, power: float) -> float:
    """The rate of the recipe for a block whose inputs have the mean square ``power``; ``head_units`` is 0 of a classifier."""
    fan_in = max(layer.fan_in for layer in record.layers)
    num_slices = max(layer.num_slices for layer in record.layers)
    positions = max(layer.positions for layer in record.layers)
    squared = manifest.num_outputs if record.is_classifier and manifest.loss == "mean-squared-error" else 0
    is_from_scratch = record.is_classifier and not squared and not manifest.frozen_blocks
    is_behind_kernels = is_from_scratch and any(_is_of_kernels(block) for block in manifest.blocks)
    size = BlockSize(head_units, record.head_positions, fan_in, num_slices, positions, power, squared, is_behind_kernels)
    return rate_of_block(manifest.optimizer, manifest.batch, size)


def _is_of_kernels(block: BlockRecord) -> bool:
    """Whether a block trains convolutions by a local head."""
    return not block.is_classifier and block.layers[0].kind == "conv"
