"""How far training has come: what a checkpoint holds beside the tensors, so that training goes on to the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.data import LabelMap, Normalization

__all__ = ["Progress"]

_LARGEST_COUNT = 2**31 - 1  # C99 keeps 32 bits
_MEND = "start training anew"
# Settings that are left out where they are these.
_UNSAID: Mapping[str, Any] = {"validation": 0.0, "stop": "last", "patience": None}


@dataclass
class Progress:
    """Position in training. A round is what one ``fit`` does: each of its blocks is trained for its epochs.

    Attributes:
        settings: of the round.
        normalization: of the samples.
        label_map: which label each class is; ``None`` where labels are class numbers.
        data: the digest of the data that the round was begun with (run/data_digest.py); ``None`` before the first round and on a
            stream.
        block: the block in training; the number of blocks where the round has ended.
        step: steps that this block has taken in this round.
        total_steps: steps of all blocks in this round.
        rates: the rate that was measured last for each block that has ever begun to train.
        powers: of each block whose rate is still being measured on a stream, mean x^2 of the samples that it has seen.
        validated: of each block that was measured on samples that are held back, its accuracy, of a regression its loss.
        best: the epoch of the block in training at which it was best on those samples, and what it was worth; ``None`` where
            nobody looks for it.
        exit: the block that predicts in the model's place, by its own head; ``None`` where the model ends as it was given.
    """

    settings: TrainSettings
    normalization: Normalization | None = None
    data: str | None = None
    block: int = 0
    step: int = 0
    total_steps: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    powers: dict[str, list[float]] = field(default_factory=dict)
    validated: dict[str, float] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    exit: str | None = None
    label_map: LabelMap | None = None

    def begin(self, settings: TrainSettings, data: str | None) -> None:
        """Stand where a round begins; with no ``data``, where a stream does."""
        self.settings, self.data = settings, data
        self.block = self.step = self.total_steps = 0
        self.powers.clear()
        self.validated.clear()
        self.best = self.exit = None

    def to_json(self) -> dict[str, Any]:
        """Return an object of numbers and texts."""
        normalization = None if self.normalization is None else self.normalization.to_json()
        counts = {name: getattr(self, name) for name in ("block", "step", "total_steps")}
        measured = {"rates": dict(self.rates), "powers": {name: list(powers) for name, powers in self.powers.items()}}
        labels = None if self.label_map is None else self.label_map.to_json()
        known = {"normalization": normalization, "labels": labels, "data": self.data}
        # A training without validation has no such fields: other runtimes, which know of none, can go on with it.
        own = {"validated": dict(self.validated), "best": self.best and list(self.best), "exit": self.exit}
        optional = {name: value for name, value in own.items() if value}
        return {"settings": self._settings(), **known, **counts, **measured, **optional}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Progress:
        """Return what :meth:`to_json` wrote.

        Raises:
            InputError: something is missing or of another type.
        """
        try:
            hints = get_type_hints(TrainSettings)
            given = {**_UNSAID, **value["settings"]}
            known = {name: _typed(given, name, hint) for name, hint in hints.items() if name != "blocks"}
            settings = TrainSettings(**known, blocks=_names(value["settings"], "blocks"))
            counts = {name: _typed(value, name, int) for name in ("block", "step", "total_steps")}
            rates = {name: float(_typed(value["rates"], name, float)) for name in value["rates"]}
            powers = {name: _numbers(_typed(value["powers"], name, list)) for name in value["powers"]}
            data, held = _typed(value, "data", str | None), _of_validation(value)
            stored, labels = value["normalization"], value["labels"]
        except UsageError as error:
            raise InputError(f"checkpoint, progress, {error.place}", error.problem, _MEND) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("checkpoint, progress", f"is not complete ({error})", _MEND) from error
        if not all(0 <= count <= _LARGEST_COUNT for count in counts.values()):
            raise InputError("checkpoint, progress", "has a count that is not from 0 to 2^31 - 1", _MEND)
        normalization = None if stored is None else Normalization.from_json(stored)
        label_map = None if labels is None else LabelMap.from_json(labels)
        return cls(settings, normalization, data, **counts, rates=rates, powers=powers, label_map=label_map, **held)

    def _settings(self) -> dict[str, Any]:
        blocks = self.settings.blocks
        said = {name: value for name, value in asdict(self.settings).items() if (name, value) not in _UNSAID.items()}
        return {**said, "blocks": None if blocks is None else list(blocks)}


def _of_validation(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a training without validation leaves out."""
    given = {"validated": {}, "best": None, "exit": None, **value}
    validated = {name: float(_typed(given["validated"], name, float)) for name in given["validated"]}
    best = _typed(given, "best", list | None)
    found = None if best is None else (_typed(best, 0, int), float(_typed(best, 1, float)))
    return {"validated": validated, "best": found, "exit": _typed(given, "exit", str | None)}


def _typed(values: Any, name: Any, hint: Any) -> Any:
    """Return a value of JSON, which must be of a type: true is no number, and a whole number is a real one."""
    value = values[name]
    is_right = isinstance(value, int | float if hint is float else hint)
    if not is_right or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"'{name}' is of another type")
    return value


def _names(values: Any, name: str) -> tuple[str, ...] | None:
    found = _typed(values, name, list | None)
    return None if found is None else tuple(_typed(found, index, str) for index in range(len(found)))


def _numbers(values: list[Any]) -> list[float]:
    return [float(_typed(values, index, float)) for index in range(len(values))]
