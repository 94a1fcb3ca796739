"""Results of runs that nobody made, with every kind of row."""

from __future__ import annotations

from typing import Any

from tinyfoa_rt.comparison.result import Measures, Result

__all__ = ["CLASSIFIED", "PREDICTED", "result_of"]


def result_of(method: str, budget: int | None, seed: int, accuracy: float | None, **changed: Any) -> Result:
    """A run that came to its end; a loss follows from the accuracy."""
    values: dict[str, Any] = {
        "epochs": 2,
        "steps": 400,
        "seconds": 1.5 + seed,
        "planned_bytes": 50_000,
        "measured_bytes": 49_000,
        "written_bytes": 3_000_000,
        "loss": 0.5 if accuracy is None else 1 - accuracy,
        "accuracy": accuracy,
        "balanced_accuracy": None if accuracy is None else accuracy - 0.01,
    }
    return Result(method, budget, seed, "Every weight is updated in every step.", measures=Measures(**{**values, **changed}))


CLASSIFIED = [
    result_of("tinyfoa", 65_536, 0, 0.90),
    result_of("tinyfoa", 65_536, 1, 0.92),
    result_of("tinyfoa", 65_536, 2, 0.97),
    result_of("tinyfoa:slices=2x2", 32_768, 0, 0.95, planned_bytes=30_000, measured_bytes=None),
    Result("tinyfoa|<float>", 32_768, 0, "Block fc2 needs at least 40,076 bytes.", needed_bytes=40_076),
    result_of("tinyfoa|<float>", 65_536, 0, 0.95, planned_bytes=60_000),
    Result("tinyfoa|<float>", 65_536, 1, "block fc2, step 3: the loss is nan", None),
    Result("freeze-diagonal", None, 0, "layer fc1: has no rule"),
]
PREDICTED = [
    result_of("tinyfoa", 65_536, 0, None, loss=0.25),
    result_of("tinyfoa-float", 65_536, 0, None, loss=0.125, planned_bytes=60_000),
]
