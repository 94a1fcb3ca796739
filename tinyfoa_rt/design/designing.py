"""From data and a budget to a network: what fits is proposed, tried in short trainings, and the best is written.

>>> found = design("digits", "small", Request("8KB"))  # doctest: +SKIP
>>> found.best.candidate.title                # doctest: +SKIP
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyfoa_rt.artifact.plan_file import dumps
from tinyfoa_rt.design.halving import Halving, Step, rungs_of
from tinyfoa_rt.design.planning import Draft, Planner, Request
from tinyfoa_rt.design.space import families
from tinyfoa_rt.design.trial import TrialGround
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import make_folder, write_whole
from tinyfoa_rt.run.data import DataSet, load_data

__all__ = ["MODEL", "PLAN", "Design", "Watch", "design"]

MODEL, PLAN = "model.onnx", "plan.json"
_MOST_CANDIDATES = 24
# The last trials see each sample so often at most, and so many samples: minutes for images of 28x28.
_MOST_EPOCHS = 20
_MOST_SAMPLES = 100_000


@dataclass(frozen=True)
class Design:
    """What was found.

    Attributes:
        data: as it was named.
        request: what was asked.
        drafts: the candidates, by their numbers.
        halving: how they did.
        validation: how many samples measured them.
    """

    data: str
    request: Request
    drafts: Sequence[Draft]
    halving: Halving
    validation: int

    @property
    def best(self) -> Draft:
        """The winner."""
        assert self.halving.best is not None, "nothing is returned where nothing was measured"
        return self.drafts[self.halving.best]


@dataclass(frozen=True)
class Watch:
    """Who is told how many candidates fit so far, and of each trial with its candidate and how many trials each rung has."""

    planned: Callable[[int], None] = lambda count: None
    tried: Callable[[Step, Draft, Sequence[int]], None] = lambda step, draft, counts: None


def design(data: str, output: str | Path, request: Request, watch: Watch | None = None) -> Design:
    """Find a network for data that can be trained within a budget, and write it with its plan into a folder.

    The test samples are not read. The same call finds the same network, unless time ends it. Ctrl-C ends the trials too, and
    what is known then counts.

    Args:
        data: as ``--data`` names it.
        output: a new or empty folder, which gets model.onnx and plan.json.
        request: what is asked.
        watch: is told what happens.

    Raises:
        UsageError: an option is wrong.
        BudgetError: no network fits; it says what the smallest one needs.
        InputError: the data cannot be used, or the folder not.
        KeyboardInterrupt: before anything was measured.
    """
    output, watch = Path(output), watch or Watch()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(str(output), "is not an empty folder", "name a new folder")
    data_set = load_data(data, request.label)
    shape, num_outputs = _sizes(data_set)
    loss = "cross-entropy" if data_set.num_classes else "mean-squared-error"
    with tempfile.TemporaryDirectory() as name:
        planner = Planner(request, {"loss": loss, "samples": len(data_set.y_train)}, Path(name))
        drafts = planner.drafts(families(shape, num_outputs), _MOST_CANDIDATES, watch.planned)
        ground = TrialGround.of(planner, data_set, request.seed)
        rungs = rungs_of(len(drafts), min(_MOST_SAMPLES, _MOST_EPOCHS * len(ground.fit)))
        halving = Halving(rungs, lambda number, samples: ground.measure(drafts[number].candidate, samples), request.seconds)
        halving.run(lambda step: watch.tried(step, drafts[step.candidate], [count for count, _ in rungs]))
        if halving.best is None:
            raise KeyboardInterrupt
        found = Design(data, request, drafts, halving, len(ground.validation))
        make_folder(output)
        write_whole(output / MODEL, planner.model(found.best.candidate))
        write_whole(output / PLAN, (dumps(planner.planned(found.best.candidate)) + "\n").encode())
    return found


def _sizes(data: DataSet) -> tuple[tuple[int, ...], int]:
    """The shape of a sample, and how many outputs a network needs."""
    if isinstance(data.x_train, Mapping):
        names = ", ".join(data.x_train)
        raise InputError(data.name, f"has several inputs ({names})", "store samples as one array: networks here have one input")
    return tuple(data.x_train.shape[1:]), data.num_classes or int(data.y_train.shape[1])
