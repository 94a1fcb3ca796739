"""The progress of a training on a terminal: one bar a block, with its loss and its accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tinyfoa_rt.run.step_report import Report

__all__ = ["TrainingBar"]


class TrainingBar:
    """Shows what it is told, on stderr; a context.

    Args:
        has_accuracy: whether the accuracy of a step means anything.
    """

    def __init__(self, *, has_accuracy: bool) -> None:
        columns = (TextColumn("{task.description:12.12}"), BarColumn(30), TextColumn("{task.percentage:>3.0f}%"))
        note = TextColumn("{task.fields[note]}")
        self._bar = Progress(*columns, note, TimeRemainingColumn(), console=Console(stderr=True))
        self._has_accuracy = has_accuracy
        self._block: str | None = None
        self._validated = ""
        self._shown = self._bar.add_task("", visible=False, note="")

    def __enter__(self) -> TrainingBar:
        self._bar.start()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._bar.stop()

    def show(self, report: Report, row: dict[str, Any] | None) -> None:
        """Show that a step was taken, and the row of the log that ended with it, if one did."""
        if report.block != self._block:
            self._block, self._validated = report.block, ""
            self._shown = self._bar.add_task(report.block, total=report.num_steps, completed=report.step, note="")
        if row is not None:
            accuracy = f"  accuracy {row['accuracy']:.1%}" if self._has_accuracy else ""
            self._validated = _measured(row) or self._validated
            note = f"loss {row['loss']:.3f}{accuracy}{self._validated}"
            self._bar.update(self._shown, completed=report.step + 1, note=note)


def _measured(row: Mapping[str, Any]) -> str:
    """What a row says of samples that are held back, if it does."""
    if "validation_accuracy" in row:
        return f"  validation {row['validation_accuracy']:.1%}"
    return f"  validation loss {row['validation_loss']:.3f}" if "validation_loss" in row else ""
