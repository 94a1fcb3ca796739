"""A training on a data set that is recorded in a folder: checkpoints, metrics.jsonl, the curve, the evaluation; signals save.

>>> trainer = open_trainer("artifact")                                    # doctest: +SKIP
>>> training = RecordedTraining(trainer, load_data("digits"), "trained")  # doctest: +SKIP
>>> training.run(training.begin(epochs=10)).evaluation                    # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from tinyfoa_rt.artifact.checkpoint import has_checkpoint
from tinyfoa_rt.drawing import render_curve
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import write_whole
from tinyfoa_rt.run.data import DataSet, Normalization
from tinyfoa_rt.run.data.normalization import AUTO
from tinyfoa_rt.run.evaluation import Evaluation
from tinyfoa_rt.run.metrics import MetricsLog
from tinyfoa_rt.run.step_report import Report
from tinyfoa_rt.run.trainer import Trainer

__all__ = ["CURVE", "Outcome", "RecordedTraining", "check_output", "open_trainer"]

CURVE = "curve.svg"
_ROWS_A_BLOCK = 200

# Is told each step, and the row of the log that ends with it, if one does.
Watch = Callable[[Report, dict[str, Any] | None], None]


@dataclass(frozen=True)
class Outcome:
    """How a training ended: with what was measured on the test samples, or at a signal, whose number this is."""

    evaluation: Evaluation | None = None
    interrupted_by: int = 0


def check_output(output: Path, *, resumes: bool) -> None:
    """Refuse a folder that a training would spoil, or one without a checkpoint to go on from.

    Raises:
        InputError: says which it is.
    """
    is_begun = has_checkpoint(output)
    if is_begun and not resumes:
        raise InputError(str(output), "holds a training already", "give --resume to go on with it, or name another folder")
    if resumes and not is_begun:
        raise InputError(str(output), "holds no checkpoint", "train without --resume first")


def open_trainer(folder: Path, *, from_scratch: bool = False, **runtime: Any) -> Trainer:
    """Return a trainer of an artifact that begins a round: from its checkpoint, if it has one, unless ``from_scratch``.

    Raises:
        InputError: artifact or checkpoint are damaged, or do not belong together.
    """
    if from_scratch or not has_checkpoint(folder):
        return Trainer(folder, **runtime)
    trainer = Trainer.load(folder, **runtime)
    trainer.restart()
    return trainer


class RecordedTraining:
    """Trains to the end, to Ctrl-C or to SIGTERM, and leaves in ``output`` what a user wants to see.

    Args:
        trainer: of the model.
        data: trains and tests it.
        output: the folder.
        checkpoint_every: seconds between two checkpoints.
        validation: samples and labels on which blocks are measured, where they are no share of the training set.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: DataSet,
        output: str | Path,
        checkpoint_every: float = 30.0,
        validation: tuple[Any, Any] | None = None,
    ) -> None:
        self._trainer = trainer
        self._data = data
        self._output = Path(output)
        self._every = checkpoint_every
        self._validation = validation
        self._signal = 0
        self._metrics = MetricsLog(self._output / "metrics.jsonl")

    def begin(self, normalization: Normalization | str | None = AUTO, **settings: Any) -> Iterator[Report]:
        """Return the steps of a round.

        Args:
            normalization: as of :meth:`tinyfoa_rt.run.trainer.Trainer.fit`.
            **settings: fields of :class:`tinyfoa_rt.artifact.settings.TrainSettings`.
        """
        data = self._data
        return self._trainer.iterate(
            data.x_train, data.labels(data.y_train), normalization=normalization, **{**settings, **self._held_back()}
        )

    def resume(self) -> Iterator[Report]:
        """Return what is left of a round: nothing, perhaps.

        Raises:
            InputError: the data are not those that it was begun with.
        """
        trainer, data = self._trainer, self._data
        if trainer.is_done:
            trainer.check_resumed(data.x_train, data.labels(data.y_train), **self._held_back())
            return iter(())
        return trainer.iterate(data.x_train, data.labels(data.y_train), **self._held_back())

    def run(self, reports: Iterator[Report], watch: Watch | None = None) -> Outcome:
        """Take the steps of :meth:`begin` or :meth:`resume`, and evaluate.

        Nothing is written before the first step has succeeded.
        """
        trainer = self._trainer
        with self._catch_signals():
            first = list(islice(reports, 1))
            trainer.save(self._output)
            self._metrics.truncate_after(trainer.progress.total_steps - len(first))
            self._follow(chain(first, reports), watch or (lambda report, row: None))
        trainer.save(self._output)
        write_whole(self._output / CURVE, render_curve(self._metrics.read(), trainer.artifact.manifest.model).encode())
        if self._signal:
            return Outcome(interrupted_by=self._signal)
        evaluation = trainer.evaluate(self._data.x_test, self._data.labels(self._data.y_test))
        write_whole(self._output / "evaluation.json", (json.dumps(vars(evaluation), indent=1) + "\n").encode())
        return Outcome(evaluation)

    def _held_back(self) -> dict[str, Any]:
        """The samples on which blocks are measured, where they are not a share, which is a setting."""
        return {} if self._validation is None else {"validation": self._validation}

    def _follow(self, reports: Iterator[Report], watch: Watch) -> None:
        """Log what training reports; save now and then."""
        steps: list[Report] = []
        saved_at = time.monotonic()
        for report in reports:
            if steps and steps[-1].block != report.block:
                steps.clear()
            steps.append(report)
            row = None
            is_last = report.step + 1 == report.num_steps
            if is_last or report.validation is not None or (report.step + 1) % max(1, report.num_steps // _ROWS_A_BLOCK) == 0:
                row = _row(steps)
                self._metrics.append(row)
                steps.clear()
            watch(report, row)
            if time.monotonic() - saved_at >= self._every:
                self._trainer.save(self._output)
                saved_at = time.monotonic()
            if self._signal:
                return

    @contextlib.contextmanager
    def _catch_signals(self) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end training between two steps; a second one ends the program."""

        def remember(number: int, frame: Any) -> None:
            self._signal = number
            signal.signal(number, before[number])

        before: dict[int, Any] = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _row(steps: list[Report]) -> dict[str, Any]:
    """The means over some steps of a block, as the log has them."""
    last = steps[-1]
    measured = {"loss": float(np.mean([step.loss for step in steps])), "accuracy": float(np.mean([s.accuracy for s in steps]))}
    if last.validation is not None:
        found = {"validation_loss": last.validation.loss, "validation_accuracy": last.validation.accuracy}
        measured |= {name: value for name, value in found.items() if value is not None}
    return {"step": last.total_steps, "block": last.block, "epoch": last.epoch, **measured}
