"""How far training has come: what a checkpoint holds beside the tensors, so that training goes on to the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.data import Normalization
from tinyfoa_rt.run.settings import TrainSettings

__all__ = ["Progress"]

_LARGEST_COUNT = 2**31 - 1  # C99 keeps 32 bits


@dataclass
class Progress:
    """Position in training.

    Attributes:
        settings: what training was begun with.
        normalization: of the samples.
        block: the block in training; the number of blocks where all are done.
        step: steps that this block has taken.
        total_steps: steps of all blocks.
        rates: the rate at which each block begun so far has started.
    """

    settings: TrainSettings
    normalization: Normalization | None = None
    block: int = 0
    step: int = 0
    total_steps: int = 0
    rates: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return an object of numbers and texts."""
        normalization = None if self.normalization is None else self.normalization.to_json()
        counts = {name: getattr(self, name) for name in ("block", "step", "total_steps")}
        return {"settings": asdict(self.settings), "normalization": normalization, **counts, "rates": dict(self.rates)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Progress:
        """Return what :meth:`to_json` wrote.

        Raises:
            InputError: something is missing or of another type.
        """
        try:
            hints = get_type_hints(TrainSettings)
            settings = TrainSettings(**{name: _typed(value["settings"], name, hint) for name, hint in hints.items()})
            counts = {name: _typed(value, name, int) for name in ("block", "step", "total_steps")}
            rates = {name: float(_typed(value["rates"], name, float)) for name in value["rates"]}
            stored = value["normalization"]
        except UsageError as error:
            raise InputError(f"checkpoint, progress, {error.place}", error.problem, "start training anew") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("checkpoint, progress", f"is not complete ({error})", "start training anew") from error
        if not all(0 <= count <= _LARGEST_COUNT for count in counts.values()):
            raise InputError("checkpoint, progress", "has a count that is not from 0 to 2^31 - 1", "start training anew")
        return cls(settings, None if stored is None else Normalization.from_json(stored), **counts, rates=rates)


def _typed(values: Mapping[str, Any], name: str, hint: Any) -> Any:
    """Return a value of JSON, which must be of a type: true is no number, and a whole number is a real one."""
    value = values[name]
    is_right = isinstance(value, int | float if hint is float else hint)
    if not is_right or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"'{name}' is of another type")
    return value
