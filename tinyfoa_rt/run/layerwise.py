"""Layer-wise order: block after block; what enters a block is computed once and kept as bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.settings import rate_at
from tinyfoa_rt.run.best_epoch import BestEpoch
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.block_validation import BlockValidation
from tinyfoa_rt.run.cache import ActivationCache
from tinyfoa_rt.run.calibration import CALIBRATION_SAMPLES, calibrate, input_powers, robust_mean
from tinyfoa_rt.run.divergence import check_loss, check_tensors
from tinyfoa_rt.run.feed import Samples, fill_batch
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.frozen_slice import FrozenSlice
from tinyfoa_rt.run.held_back import HeldBack
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.sample_order import SampleOrder
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.run.step_report import Report

__all__ = ["LayerwiseLoop"]

Array = NDArray[Any]
Feed = Samples | ActivationCache


class LayerwiseLoop:
    """Trains from where ``progress`` stands; changes ``state`` and ``progress`` step by step."""

    def __init__(self, artifact: Artifact, state: ModelState, progress: Progress, runtime: Runtime) -> None:
        self._artifact = artifact
        self._state = state
        self._progress = progress
        self._runtime = runtime
        self._forward = ForwardPass(artifact, state, runtime)
        self._training: BlockTraining | None = None

    def epochs(self, samples: Samples, labels: Array, held_back: HeldBack | None = None) -> Iterator[Report]:
        """Train all blocks of the round that are left, and report every step; measure each on what is held back."""
        feed: Feed | None = None
        wanted = [index for index, block in enumerate(self._artifact.blocks) if self._progress.settings.trains(block.name)]
        while self._progress.block < len(self._artifact.blocks):
            index = self._progress.block
            if index <= wanted[-1] and (index in wanted or isinstance(feed, ActivationCache)):
                feed = self._feed(index, feed, samples)
            if index in wanted and feed is not None:
                yield from self._train_block(index, feed, labels, held_back)
            self._progress.block += 1
            self._progress.step = 0

    def stream(self, samples: Samples, labels: Array) -> float:
        """Take a step on each batch; return the mean loss."""
        index, batch = self._progress.block, self._artifact.manifest.batch
        training = self._training or BlockTraining(self._artifact, index, self._state, self._runtime)
        self._training = training
        losses = []
        for rows in np.resize(np.arange(len(labels)), (-(-len(labels) // batch), batch)):
            self._forward.fill(index, samples, rows, training.inputs)
            training.labels[...] = labels[rows]
            self._follow_power(training)
            training.begin_turn(self._turn(training))
            rate = self._progress.rates[training.record.name] * self._progress.settings.rate
            losses.append(training.step(rate, self._progress.total_steps).loss)
            check_loss(training.record.name, self._progress.step, losses[-1])
            self._count_step()
        training.end_turn()
        return float(np.mean(losses))

    def _train_block(self, index: int, feed: Feed, labels: Array, held_back: HeldBack | None) -> Iterator[Report]:
        settings, batch = self._progress.settings, self._artifact.manifest.batch
        training = BlockTraining(self._artifact, index, self._state, self._runtime)
        name, best = training.record.name, None
        if held_back is not None:
            validation = BlockValidation(self._artifact, self._forward, held_back, index)
            best = BestEpoch(training.record, validation, self._state, self._progress)
        order = SampleOrder(labels, batch, (settings.seed, index), settings.sampling)
        steps_per_epoch = order.num_batches
        num_steps = settings.epochs * steps_per_epoch
        if self._progress.step == 0:
            first = order.epoch(settings.epochs)
            self._begin(training, lambda k: self._fill(training, feed, (first[k % len(first)], labels)))
        while self._progress.step < num_steps:
            epoch, within = divmod(self._progress.step, steps_per_epoch)
            if best is not None and not within and best.is_over(epoch):
                break
            self._freeze(training, epoch)
            for rows in order.epoch(epoch)[within:]:
                self._fill(training, feed, (rows, labels))
                training.begin_turn(self._turn(training))
                step = self._progress.step
                rate = rate_at(self._progress.rates[name] * settings.rate, settings.rate_schedule, step, num_steps)
                result = training.step(rate, self._progress.total_steps)
                check_loss(name, step, result.loss)
                self._count_step()
                is_last = (step + 1) % steps_per_epoch == 0
                measured = best.measure(epoch) if best is not None and is_last else None
                yield Report(name, epoch, step, num_steps, self._progress.total_steps, *result, measured)
        training.end_turn()
        if best is not None:
            best.put_back()
        for layer in training.record.layers:
            check_tensors(name, self._progress.step, self._state.layers[layer.name].arrays())

    def _turn(self, training: BlockTraining) -> int:
        return training.turn_of(self._progress.step, self._progress.settings.steps_a_turn)

    def _begin(self, training: BlockTraining, fill: Any) -> None:
        """Measure the block's rate, and its scale where it trains for the first time; forget what the optimizer has gathered."""
        name = training.record.name
        training.begin_turn(0)
        is_new = name not in self._progress.rates
        powers = calibrate(training, self._state, fill, self._artifact.manifest.batch, is_new=is_new)
        self._progress.rates[name] = training.record.rate.at(robust_mean(powers))

    def _follow_power(self, training: BlockTraining) -> None:
        """Measure the block's rate on the first samples of a stream, step by step: the first one may be an outlier."""
        progress, name = self._progress, training.record.name
        if name not in progress.rates:
            training.begin_turn(0)
            calibrate(training, self._state, lambda _: None, CALIBRATION_SAMPLES)  # on this one batch
            progress.powers[name] = []
        if name in progress.powers:
            seen = progress.powers[name] = [*progress.powers[name], *input_powers(training, self._state).tolist()]
            progress.rates[name] = training.record.rate.at(robust_mean(np.array(seen)))
            if len(seen) >= CALIBRATION_SAMPLES:
                del progress.powers[name]

    def _count_step(self) -> None:
        self._progress.step += 1
        self._progress.total_steps += 1

    def _freeze(self, training: BlockTraining, epoch: int) -> None:
        if self._artifact.manifest.schedule == "freeze-diagonal":
            training.freeze([FrozenSlice.of_epoch(self._state.layers[layer.name], epoch) for layer in training.record.layers])

    def _fill(self, training: BlockTraining, feed: Feed, batch: tuple[Array, Array]) -> None:
        rows, labels = batch
        fill_batch(feed, rows, training.inputs)
        training.labels[...] = labels[rows]

    def _feed(self, index: int, before: Feed | None, samples: Samples) -> Feed:
        """What enters block ``index``, computed from what entered the block before where that is known."""
        if isinstance(before, ActivationCache):
            return self._forward.advance(before, index)
        return self._forward.feed(index, samples)
