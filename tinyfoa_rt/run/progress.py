"""How far training has come: what a checkpoint holds beside the tensors, so that training goes on to the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import Normalization
from tinyfoa_rt.run.settings import TrainSettings

__all__ = ["Progress"]


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
            known = {each.name for each in fields(TrainSettings)}
            settings = TrainSettings(**{key: each for key, each in value["settings"].items() if key in known})
            counts = {name: int(value[name]) for name in ("block", "step", "total_steps")}
            rates = {str(name): float(rate) for name, rate in value["rates"].items()}
            stored = value["normalization"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("checkpoint, progress", f"is not complete ({error})", "start training anew") from error
        if min(counts.values()) < 0:
            raise InputError("checkpoint, progress", "has a count below 0", "start training anew")
        return cls(settings, None if stored is None else Normalization.from_json(stored), **counts, rates=rates)
