"""One training on a terminal: progress bar, metrics.jsonl, checkpoints, the curve, and Ctrl-C between two steps."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tinyfoa_rt.drawing import render_curve
from tinyfoa_rt.files import write_whole
from tinyfoa_rt.run.data import DataSet
from tinyfoa_rt.run.evaluation import Evaluation
from tinyfoa_rt.run.loop import Report
from tinyfoa_rt.run.metrics import MetricsLog
from tinyfoa_rt.run.trainer import Trainer
from tinyfoa_rt.units import format_nbytes

__all__ = ["TrainingSession", "print_evaluation"]

_ROWS_A_BLOCK = 200


class TrainingSession:
    """Trains to the end, to Ctrl-C or to SIGTERM, and leaves in ``output`` what a user wants to see."""

    def __init__(self, trainer: Trainer, data: DataSet, output: Path, checkpoint_every: float) -> None:
        self._trainer = trainer
        self._data = data
        self._output = output
        self._every = checkpoint_every
        self._signal = 0
        self._metrics = MetricsLog(output / "metrics.jsonl")

    def run(self, reports: Iterator[Report]) -> int:
        """Follow a training and evaluate; return the signal that has interrupted it, or 0.

        Nothing is written before the first step has succeeded.
        """
        trainer, data = self._trainer, self._data
        with self._catch_signals(), self._bar() as bar:
            first = list(islice(reports, 1))
            trainer.save(self._output)
            self._metrics.truncate_after(trainer.progress.total_steps - len(first))
            self._follow(chain(first, reports), bar)
        trainer.save(self._output)
        write_whole(self._output / "curve.svg", render_curve(self._metrics.read(), trainer.artifact.manifest.model).encode())
        if self._signal:
            return self._signal
        result = trainer.evaluate(data.x_test, data.y_test)
        write_whole(self._output / "evaluation.json", (json.dumps(vars(result), indent=1) + "\n").encode())
        peak = trainer.artifact.manifest.peak_bytes
        print_evaluation(result, len(data.y_test))
        print(f"planned RAM of a training step: {format_nbytes(peak)} ({peak:,} bytes)")
        print(f"the trained model is {self._output / 'inference.onnx'}, the curve {self._output / 'curve.svg'}")
        return 0

    def _follow(self, reports: Iterator[Report], bar: Progress) -> None:
        """Log and show what training reports; save now and then."""
        task, block = None, ""
        losses: list[float] = []
        hits: list[float] = []
        saved_at = time.monotonic()
        for report in reports:
            if report.block != block:
                block = report.block
                task = bar.add_task(block, total=report.num_steps, completed=report.step, note="")
            losses.append(report.loss)
            hits.append(report.accuracy)
            is_last = report.step + 1 == report.num_steps
            if is_last or (report.step + 1) % max(1, report.num_steps // _ROWS_A_BLOCK) == 0:
                row = {"step": report.total_steps, "block": block, "epoch": report.epoch}
                row |= {"loss": float(np.mean(losses)), "accuracy": float(np.mean(hits))}
                self._metrics.append(row)
                assert task is not None
                accuracy = f"  accuracy {row['accuracy']:.1%}" if self._data.num_classes else ""
                note = f"loss {row['loss']:.3f}{accuracy}"
                bar.update(task, completed=report.step + 1, note=note)
                losses.clear()
                hits.clear()
            if time.monotonic() - saved_at >= self._every:
                self._trainer.save(self._output)
                saved_at = time.monotonic()
            if self._signal:
                return

    def _bar(self) -> Progress:
        columns = (TextColumn("{task.description:12.12}"), BarColumn(30), TextColumn("{task.percentage:>3.0f}%"))
        return Progress(*columns, TextColumn("{task.fields[note]}"), TimeRemainingColumn(), console=Console(stderr=True))

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


def print_evaluation(result: Evaluation, num_samples: int) -> None:
    """Print the measures in one line."""
    parts = [f"loss {result.loss:.4f}"]
    if result.accuracy is not None and result.balanced_accuracy is not None:
        parts = [f"accuracy {result.accuracy:.2%}", f"balanced accuracy {result.balanced_accuracy:.2%}", *parts]
    print(f"test, {num_samples:,} samples: {', '.join(parts)}")
