"""One run of a comparison: planned, trained as ``tinyfoa-rt train`` does, measured. Whenever it is killed, it goes on exactly."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyfoa_rt.artifact.checkpoint import has_checkpoint
from tinyfoa_rt.artifact.folder import PLAN
from tinyfoa_rt.artifact.plan_file import parse_plan
from tinyfoa_rt.comparison.experiment import Experiment, Run
from tinyfoa_rt.comparison.result import Measures, Result, read_result, write_result
from tinyfoa_rt.errors import BudgetError, DivergenceError, UnsupportedError, UsageError
from tinyfoa_rt.files import make_folder
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run.counted_memory import measure_peak
from tinyfoa_rt.run.data import DataSet
from tinyfoa_rt.run.metrics import MetricsLog
from tinyfoa_rt.run.recorded import RecordedTraining
from tinyfoa_rt.run.step_report import Report
from tinyfoa_rt.run.trainer import Trainer

__all__ = ["Interrupted", "Workshop"]

TIMES = "times.jsonl"


class Interrupted(Exception):
    """A signal has ended a training, which has left a checkpoint; ``number`` is that of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Workshop:
    """What all runs share.

    Attributes:
        experiment: what is asked.
        graph: the model.
        data: trains and tests it.
        folder: of the comparison.
        runtime: keywords of :class:`tinyfoa_rt.run.trainer.Trainer`.
        checkpoint_every: seconds between two checkpoints.
    """

    experiment: Experiment
    graph: Graph
    data: DataSet
    folder: Path
    runtime: Mapping[str, Any]
    checkpoint_every: float

    def finish(self, run: Run) -> tuple[Result, bool]:
        """Take a run to its end from where it stands; return its result, and whether that was there already.

        Raises:
            Interrupted: a signal came.
            InputError: the folder is damaged or cannot be written, or the data do not fit the model.
        """
        folder = self.folder / run.folder
        found = read_result(folder)
        if found is not None:
            return found, True
        try:
            trainer = self._open(run, folder)
            measures = self._train(trainer, run, folder)
            sentence = _plan_of(trainer).reason
            result = Result(run.method.text, run.budget_bytes, run.seed, sentence, measures=measures)
        except _TooSmall as error:
            result = Result(run.method.text, run.budget_bytes, run.seed, error.problem, needed_bytes=error.needed_bytes)
        except (UnsupportedError, UsageError, DivergenceError) as error:
            result = Result(run.method.text, run.budget_bytes, run.seed, str(error))
        make_folder(folder)
        write_result(folder, result)
        return result, False

    def _open(self, run: Run, folder: Path) -> Trainer:
        """The trainer of a run: from its checkpoint, or of a new artifact."""
        if has_checkpoint(folder):
            return Trainer.load(folder, **self.runtime)
        labels = self.data.labels(self.data.y_train)
        planned = plan(self.graph, labels=labels, samples=len(labels), **self.experiment.planning(run))
        if not planned.feasible:
            raise _TooSmall(planned.reason, planned.floor_bytes if planned.floor_bytes > planned.budget_bytes else None)
        return Trainer(build(self.graph, planned), **self.runtime)

    def _train(self, trainer: Trainer, run: Run, folder: Path) -> Measures:
        training = RecordedTraining(trainer, self.data, folder, self.checkpoint_every)
        settings = self.experiment.settings(run)
        make_folder(folder)
        clock = _Clock(folder, trainer.progress.total_steps)
        goes_on = trainer.progress.data is not None
        reports = training.resume() if goes_on else training.begin(self.experiment.normalization, **settings)
        outcome = training.run(reports, clock.watch)
        if outcome.evaluation is None:
            raise Interrupted(outcome.interrupted_by)
        planned, epochs = _plan_of(trainer), trainer.progress.settings.epochs
        return Measures(
            epochs=epochs,
            steps=trainer.progress.total_steps,
            seconds=round(clock.seconds, 3),
            planned_bytes=planned.peak_bytes,
            measured_bytes=measure_peak(folder, str(self.runtime["kernels"])),
            written_bytes=epochs * (planned.written_bytes_per_epoch or 0),
            **vars(outcome.evaluation),
        )


class _TooSmall(BudgetError):
    """The budget is too small; ``needed_bytes`` would do, if it is RAM that lacks."""

    def __init__(self, reason: str, needed_bytes: int | None) -> None:
        super().__init__("budget", reason)
        self.needed_bytes = needed_bytes


class _Clock:
    """Seconds of a training, kept in its folder beside its metrics, so that a run that was killed keeps the time it had taken."""

    def __init__(self, folder: Path, step: int) -> None:
        self._log = MetricsLog(folder / TIMES)
        self._log.truncate_after(step)
        rows = self._log.read()
        self.seconds = float(rows[-1]["seconds"]) if rows else 0.0
        self._start = time.monotonic() - self.seconds

    def watch(self, report: Report, row: Mapping[str, Any] | None) -> None:
        if row is not None:
            self.seconds = time.monotonic() - self._start
            self._log.append({"step": report.total_steps, "seconds": self.seconds})


def _plan_of(trainer: Trainer) -> Any:
    return parse_plan(PLAN, trainer.artifact.models[PLAN])
