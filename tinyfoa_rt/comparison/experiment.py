"""What is compared: every method in every budget with every seed is a run, and has a folder.

A folder of a comparison remembers what was asked (compare.json), so that the same command goes on in it. Methods, budgets and
seeds may be added; whatever else is asked differently would make runs that cannot be compared, and is refused.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.comparison.learners import PLANNING, SETTINGS, Method, method_of_text
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.files import read_whole, write_whole
from tinyfoa_rt.ir.options import PlanOptions
from tinyfoa_rt.run.data.normalization import check_normalization
from tinyfoa_rt.strict_json import parse_object
from tinyfoa_rt.units import parse_nbytes

__all__ = ["RECORD", "Experiment", "Run", "remember"]

RECORD = "compare.json"
_LARGEST_RECORD = 2**20
_MOST_SEEDS = 1000
# What may grow while a comparison goes on.
_LISTS = ("methods", "budgets", "seeds")


@dataclass(frozen=True)
class Run:
    """One training: a method, a budget in bytes (``None`` for that of the board) and a seed."""

    method: Method
    budget_bytes: int | None
    seed: int

    @property
    def folder(self) -> str:
        """Where it lies in the folder of the comparison, with / between its parts."""
        budget = "board" if self.budget_bytes is None else str(self.budget_bytes)
        return f"runs/{_as_file_name(self.method.text)}/{budget}/seed-{self.seed}"


@dataclass(frozen=True)
class Experiment:
    """What is asked.

    Attributes:
        methods: texts, see :func:`tinyfoa_rt.comparison.learners.method_of_text`.
        budgets: sizes such as ``256KB`` or bytes; none for that of the board which ``target`` names.
        seeds: how many, from 0: of the order of samples and of drawn heads. Weights begin as the model has them.
        normalization: of samples, as ``tinyfoa-rt train`` takes it.
        options: of planning and training, for all methods.

    Raises:
        UsageError: something is not known, there twice, or not compatible.
    """

    methods: Sequence[str]
    budgets: Sequence[str | int] = ()
    seeds: int = 3
    normalization: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= _MOST_SEEDS:
            raise UsageError(f"--seeds {self.seeds}", f"is not between 1 and {_MOST_SEEDS:,}", "give a number such as 3")
        if not self.methods:
            raise UsageError("methods", "none is named", "give --methods, for example tinyfoa,tinyfoa-float")
        for name in self.options:
            if name not in PLANNING and name not in SETTINGS:
                raise UsageError(name, "is no option of planning or training", "leave it out")
        check_normalization(self.normalization)
        for run in self.runs():
            self.check(run)
        _refuse_twins([run.folder for run in self.runs()])

    def check(self, run: Run) -> None:
        """Refuse a method that contradicts the options for all."""
        for name, value in run.method.planning.items():
            if self.options.get(name, value) != value:
                problem = f"is not that of the method {run.method.text}, {value}"
                raise UsageError(f"--{name.replace('_', '-')} {self.options[name]}", problem, "leave one of the two out")
        PlanOptions(**self.planning(run))
        TrainSettings(**self.settings(run))

    @cached_property
    def _parsed(self) -> tuple[tuple[Method, ...], tuple[int | None, ...]]:
        methods = tuple(method_of_text(text) for text in self.methods)
        return methods, tuple(parse_nbytes(size) for size in self.budgets) or (None,)

    def runs(self) -> Iterator[Run]:
        """All runs, seed by seed, so that every method has been trained once before one is trained twice."""
        methods, budgets = self._parsed
        for seed, method, budget in product(range(self.seeds), methods, budgets):
            yield Run(method, budget, seed)

    def planning(self, run: Run) -> dict[str, Any]:
        """The options of a run's plan."""
        shared = {name: value for name, value in self.options.items() if name in PLANNING}
        return {**shared, **run.method.planning, "budget": run.budget_bytes, "seed": run.seed}

    def settings(self, run: Run) -> dict[str, Any]:
        """How a run is trained."""
        shared = {name: value for name, value in self.options.items() if name in SETTINGS}
        turns = self.planning(run).get("rotate_every")
        return {**shared, **run.method.settings, "seed": run.seed, "rotate_every": turns}

    def command(self, run: Run, model: str, data: str, inputs: Sequence[str] = ()) -> str:
        """The command that trains what a run does, in a line of a shell; ``inputs`` are its words about the model's inputs."""
        words = ["tinyfoa-rt", "train", model, "--data", data, *inputs]
        planning, settings = self.planning(run), self.settings(run)
        options = {**planning, **settings, "normalization": self.normalization, "head_seed": planning["seed"]}
        defaults = {**vars(TrainSettings()), "normalization": "auto", "head_seed": 0, "seed": 0}
        for name, value in options.items():
            if value is not None and value != defaults.get(name, defaults):
                words += [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join([*words, "-o", "trained"])

    def to_json(self) -> dict[str, Any]:
        """Return what makes runs what they are."""
        methods, budgets = self._parsed
        lists = {"methods": [method.text for method in methods], "budgets": list(budgets), "seeds": list(range(self.seeds))}
        return {**lists, "normalization": self.normalization, **self.options}


def remember(folder: Path, asked: Mapping[str, Any]) -> None:
    """Write what is asked into the folder of a comparison, or compare it with what the folder was begun with.

    Raises:
        InputError: the folder holds something else, or what it was begun with is not what is asked.
    """
    path = folder / RECORD
    mend = "name another folder, or leave the change out"
    if path.exists():
        try:
            begun = parse_object(read_whole(path, mend, largest=_LARGEST_RECORD, follows_links=False))
        except ValueError as error:
            raise InputError(str(path), f"is damaged ({error})", "name another folder") from error
        for name in sorted({*begun, *asked}):
            before, now = begun.get(name), asked.get(name)
            grows = name in _LISTS and isinstance(before, list) and set(before) <= set(now or ())
            if before != now and not grows:
                raise InputError(str(folder), f"was begun with {name} {_shown(before)}, not {_shown(now)}", mend)
    elif any(each.name != ".training.lock" for each in folder.iterdir()):
        raise InputError(str(folder), "holds something that is no comparison", "name a new folder")
    write_whole(path, (json.dumps(asked, indent=1) + "\n").encode())


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "its default" if value is None else str(value)


def _as_file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.=+,-]", "_", text)


def _refuse_twins(folders: Sequence[str]) -> None:
    """Refuse a method or a budget that is there twice, perhaps written differently."""
    for folder in folders:
        if folders.count(folder) > 1:
            _, method, budget, _ = folder.split("/")
            raise UsageError("methods and budgets", f"{method} in {budget} is there twice", "leave one out")
