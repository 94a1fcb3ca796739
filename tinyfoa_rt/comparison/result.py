"""The result of a run, result.json: what was planned, what was measured. It has no dates and names no machine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import read_whole, write_whole
from tinyfoa_rt.strict_json import parse_object, read_record

__all__ = ["RESULT", "Measures", "Result", "read_result", "write_result"]

RESULT = "result.json"
_LARGEST = 2**20
_MEND = "remove the file, and the same command makes it again"


@dataclass(frozen=True)
class Measures:
    """What a training has come to.

    Attributes:
        epochs: of each block.
        steps: of all blocks.
        seconds: that all steps took, with what is computed between them.
        planned_bytes: RAM of a training step, by the plan.
        measured_bytes: RAM of a step and of a prediction, by a counting allocator; ``None`` where it could not be measured.
        written_bytes: to nonvolatile memory in all epochs, by the plan.
        loss: on the test samples.
        accuracy: of a classifier.
        balanced_accuracy: mean of the shares of each class that are found.
    """

    epochs: int
    steps: int
    seconds: float
    planned_bytes: int
    measured_bytes: int | None
    written_bytes: int
    loss: float
    accuracy: float | None
    balanced_accuracy: float | None


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        method: as the user wrote it.
        budget_bytes: ``None`` for that of the board.
        seed: of the run.
        sentence: of the plan; or why there was no training, or none to the end.
        needed_bytes: the least budget that would do, where this one does not.
        measures: ``None`` where nothing was trained to the end.
    """

    method: str
    budget_bytes: int | None
    seed: int
    sentence: str
    needed_bytes: int | None = None
    measures: Measures | None = None


def write_result(folder: Path, result: Result) -> None:
    """Write the result of the run in ``folder``.

    Raises:
        InputError: the folder cannot be written.
    """
    write_whole(folder / RESULT, (json.dumps(asdict(result), indent=1) + "\n").encode())


def read_result(folder: Path) -> Result | None:
    """Return the result of the run in ``folder``; ``None`` where it has not come to its end.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = parse_object(read_whole(path, _MEND, largest=_LARGEST, follows_links=False))
    except ValueError as error:
        raise InputError(str(path), f"is damaged ({error})", _MEND) from error
    result: Result = read_record(str(path), content, Result, _MEND)
    return result
