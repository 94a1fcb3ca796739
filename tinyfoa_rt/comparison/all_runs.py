"""Methods compared: every run to its end, and after each the report.

>>> found = compare("model.onnx", "digits", "report", methods=["tinyfoa", "tinyfoa-float"], budgets=["64KB"])  # doctest: +SKIP
>>> [(row.method, row.spread("accuracy").mean) for row in found.rows]                                         # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tinyfoa_rt.comparison.experiment import Experiment, Run, remember
from tinyfoa_rt.comparison.one_run import Interrupted, Workshop
from tinyfoa_rt.comparison.page import Report, write_report
from tinyfoa_rt.comparison.result import Result
from tinyfoa_rt.comparison.summary import Row, rows_of
from tinyfoa_rt.ir.graph import Source
from tinyfoa_rt.model import load
from tinyfoa_rt.run.data import DataSet, chunks, load_data
from tinyfoa_rt.run.folder_lock import lock_folder

__all__ = ["Comparison", "Progress", "compare"]

_FORMAT = "tinyfoa-compare/1"
_RUNTIME: Mapping[str, Any] = {"providers": ("CPUExecutionProvider",), "threads": None, "kernels": "auto"}


@dataclass(frozen=True)
class Progress:
    """A run that begins, or one that has ended.

    Attributes:
        number: of the run, from 1.
        count: of all runs.
        result: ``None`` where it begins.
        was_there: whether the result is from before.
    """

    run: Run
    number: int
    count: int
    result: Result | None = None
    was_there: bool = False


@dataclass(frozen=True)
class Comparison:
    """What was found: rows, the best first; ``interrupted_by`` is the number of a signal that ended it, 0 where none did."""

    rows: Sequence[Row]
    interrupted_by: int = 0


def compare(
    model: str | Path,
    data: str,
    output: str | Path,
    watch: Callable[[Progress], None] = lambda progress: None,
    **asked: Any,
) -> Comparison:
    """Plan, train and measure every method in every budget with every seed, and write the report.

    The same call goes on where one was killed, and repeats nothing. It may add methods, budgets and seeds.

    Args:
        model: path of an ONNX file.
        data: as ``--data`` names it.
        output: the folder: report.html, table.md, table.csv, chart.svg, and a folder a run.
        watch: is told of each run as it begins and as it ends.
        **asked: ``methods``, ``budgets``, ``seeds`` and ``normalization`` (:class:`Experiment`); ``shapes`` of inputs that the
            model leaves open, ``pool_input`` (:func:`tinyfoa_rt.load`); ``label``, the column of a table that holds the labels;
            ``providers``, ``threads`` and ``kernels`` of the trainer; ``checkpoint_every``, seconds; options of planning and
            training for all methods, such as ``batch=100`` and ``epochs=5``.

    Raises:
        UsageError: something is asked that is not known, or contradicts itself.
        InputError: the model or the data cannot be used; or the folder holds a comparison that was begun otherwise.
    """
    runtime = {name: asked.pop(name, default) for name, default in _RUNTIME.items()}
    checkpoint_every = asked.pop("checkpoint_every", 30.0)
    shapes, pool_input, label = asked.pop("shapes", {}), asked.pop("pool_input", 1), asked.pop("label", None)
    of_experiment = {name: asked.pop(name) for name in ("methods", "budgets", "seeds", "normalization") if name in asked}
    experiment = Experiment(**of_experiment, options=asked)
    output = Path(output)
    with lock_folder(output):
        graph, data_set = load(model, shapes=shapes, pool_input=pool_input), load_data(data, label)
        given_shapes = {name: list(shape) for name, shape in shapes.items()}
        given = {"model": graph.source.sha256, "shapes": given_shapes, "pool_input": pool_input}
        remembered = {"format": _FORMAT, **given, "data": _digest(data_set), **experiment.to_json(), **_as_json(runtime)}
        remember(output, remembered)
        workshop = Workshop(experiment, graph, data_set, output, runtime, checkpoint_every)
        report = Report(graph.name, str(model), data, experiment, _input_words(graph.source, label))
        return _finish_all(workshop, report, watch)


def _finish_all(workshop: Workshop, report: Report, watch: Callable[[Progress], None]) -> Comparison:
    runs = list(workshop.experiment.runs())
    results: list[Result] = []
    for number, run in enumerate(runs, start=1):
        watch(Progress(run, number, len(runs)))
        try:
            result, was_there = workshop.finish(run)
        except Interrupted as signal:
            return Comparison(rows_of(results), signal.number)
        results.append(result)
        watch(Progress(run, number, len(runs), result, was_there))
        if not was_there or number == len(runs):
            write_report(workshop.folder, report, rows_of(results))
    return Comparison(rows_of(results))


def _input_words(source: Source, label: str | None) -> tuple[str, ...]:
    """What a command line says of a model's inputs."""
    shapes = (("--shape", f"{name}={'x'.join(map(str, shape))}") for name, shape in source.shapes.items())
    pooled = ("--pool-input", str(source.pool_input)) if source.pool_input != 1 else ()
    return (*chain.from_iterable(shapes), *pooled, *(() if label is None else ("--label", label)))


def _digest(data: DataSet) -> str:
    """SHA-256 of the samples and labels of both parts."""
    hasher = hashlib.sha256()
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        arrays = dict(x) if isinstance(x, Mapping) else {"": x}
        for name, array in {**arrays, "labels": y}.items():
            hasher.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            for _, rows in chunks(array):
                hasher.update(np.ascontiguousarray(rows).data)
    return hasher.hexdigest()


def _as_json(runtime: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in runtime.items()}
