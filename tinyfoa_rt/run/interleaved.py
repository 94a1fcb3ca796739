"""Interleaved order: every block takes a step on each batch, on what the block before it hands on.

All active slices are in RAM together, so the plan's peak, which is for one block at a time, does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.settings import rate_at
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.run.block_training import BlockTraining, StepResult
from tinyfoa_rt.run.block_validation import BlockValidation
from tinyfoa_rt.run.calibration import CALIBRATION_SAMPLES, calibrate, input_powers, robust_mean
from tinyfoa_rt.run.divergence import check_loss, check_tensors
from tinyfoa_rt.run.evaluation import Evaluation
from tinyfoa_rt.run.feed import Samples
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.held_back import HeldBack
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.sample_order import SampleOrder
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.run.step_report import Report

__all__ = ["InterleavedLoop"]

Array = NDArray[Any]


class InterleavedLoop:
    """Trains from where ``progress`` stands; changes ``state`` and ``progress`` step by step.

    Raises:
        UnsupportedError: a block reads something else than the output of the block before.
    """

    def __init__(self, artifact: Artifact, state: ModelState, progress: Progress, runtime: Runtime) -> None:
        self._artifact = artifact
        self._state = state
        self._progress = progress
        self._forward = ForwardPass(artifact, state, runtime)
        self._blocks: list[BlockTraining] = []
        for index, record in enumerate(artifact.blocks):
            given = {}
            if index:
                before = self._blocks[-1]
                if record.inputs != (before.record.output,):
                    problem = f"reads {', '.join(record.inputs)}, not only the output of {before.record.name}"
                    raise UnsupportedError(f"block {record.name}", problem, "train it with --order layerwise")
                given = {before.record.output: before.output}
            self._blocks.append(BlockTraining(artifact, index, state, runtime, given))

    def epochs(self, samples: Samples, labels: Array, held_back: HeldBack | None = None) -> Iterator[Report]:
        """Train all blocks together for the epochs of one, and report the last block's steps; measure all behind each epoch."""
        settings, batch = self._progress.settings, self._artifact.manifest.batch
        order = SampleOrder(labels, batch, (settings.seed, 0), settings.sampling)
        num_steps = settings.epochs * order.num_batches
        name = self._blocks[-1].record.name
        while not self._progress.block and self._progress.step < num_steps:
            epoch, within = divmod(self._progress.step, order.num_batches)
            for rows in order.epoch(epoch)[within:]:
                step = self._progress.step
                factor = rate_at(settings.rate, settings.rate_schedule, step, num_steps)
                result = self._step(samples, labels, rows, factor)
                is_last = (step + 1) % order.num_batches == 0
                measured = self._measure(held_back) if held_back is not None and is_last else None
                yield Report(name, epoch, step, num_steps, self._progress.total_steps, *result, measured)
        check_tensors(name, self._progress.step, self._state.arrays())
        self._progress.block = len(self._blocks)
        self._progress.step = 0

    def stream(self, samples: Samples, labels: Array) -> float:
        """Take a step of all blocks on each batch; return the mean loss of the last one."""
        batch = self._artifact.manifest.batch
        slots = (-(-len(labels) // batch), batch)
        rate = self._progress.settings.rate
        losses = [self._step(samples, labels, rows, rate).loss for rows in np.resize(np.arange(len(labels)), slots)]
        self._state.end_turns()
        return float(np.mean(losses))

    def _measure(self, held_back: HeldBack) -> Evaluation | None:
        """Measure all blocks; return what the last one is worth."""
        every = range(len(self._blocks))
        return [BlockValidation(self._artifact, self._forward, held_back, index).measure(self._progress) for index in every][-1]

    def _step(self, samples: Samples, labels: Array, rows: Array, factor: float) -> StepResult:
        first = self._blocks[0]
        self._forward.fill(0, samples, rows, first.inputs)
        for training in self._blocks:
            training.labels[...] = labels[rows]
            if training.record.name not in self._progress.rates:
                training.begin_turn(0)
                powers = calibrate(training, self._state, lambda _: None, CALIBRATION_SAMPLES)  # on this one batch
                self._progress.rates[training.record.name] = training.record.rate.at(robust_mean(powers))
            training.begin_turn(training.turn_of(self._progress.step, self._progress.settings.steps_a_turn))
            # The blocks before change, and with them what this one reads: its rate follows.
            rate = training.record.rate.at(robust_mean(input_powers(training, self._state)))
            result = training.step(rate * factor, self._progress.total_steps)
            check_loss(training.record.name, self._progress.step, result.loss)
        self._progress.step += 1
        self._progress.total_steps += 1
        return result
