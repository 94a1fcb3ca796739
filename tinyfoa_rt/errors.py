"""Every error a user can meet.

    TinyfoaError                    exit status
    ├── UsageError                  2   wrong use: a malformed budget, an unknown target
    ├── BudgetError                 3   the budget cannot be met
    ├── InputError                  4   bad input: a model, data, plan or artifact, or too little memory for it
    │   ├── ModelError              4   the ONNX file cannot be read or is not a valid model
    │   ├── UnsupportedError        4   a valid model asks for something that cannot be trained
    │   └── DivergenceError         4   training has left the range of float32
    └── BugError                    70  anything else that was raised: it should have been one of the above

130 is the exit status of a command that Ctrl-C ended. A message is one line: the place, what was found, what was expected;
``mend`` says what to do about it.
"""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = [
    "BudgetError",
    "BugError",
    "DivergenceError",
    "InputError",
    "ModelError",
    "TinyfoaError",
    "UnsupportedError",
    "UsageError",
    "as_known",
]

_LONGEST_PLACE = 120
_LONGEST_PROBLEM = 1000
_LONGEST_CAUSE = 300


class TinyfoaError(Exception):
    """The root of all errors raised on purpose; ``str()`` is the one line that a user sees."""

    exit_status = 1

    def __init__(self, place: str, problem: str, mend: str = "") -> None:
        self.place = _one_line(place, limit=_LONGEST_PLACE)
        self.problem = _one_line(problem, limit=_LONGEST_PROBLEM)
        self.mend = _one_line(mend)
        line = f"{self.place}: {self.problem}" if self.place else self.problem
        super().__init__(f"{line}; {self.mend}" if self.mend else line)


class UsageError(TinyfoaError):
    """The call itself is wrong: an option, a budget, a name."""

    exit_status = 2


class BudgetError(TinyfoaError):
    """No plan fits the memory budget."""

    exit_status = 3


class InputError(TinyfoaError):
    """A file from outside cannot be used."""

    exit_status = 4


class ModelError(InputError):
    """The model file is damaged, incomplete or not a valid ONNX graph."""


class UnsupportedError(InputError):
    """The model is valid, but what is asked of it is not supported; the message names the node."""


class DivergenceError(InputError):
    """The loss or a weight has become NaN or infinite; what was saved before is whole."""

    def __init__(self, block: str, step: int, problem: str) -> None:
        mend = "lower the rate (--rate) and train again, from the last checkpoint if you like, or look for outliers in the data"
        super().__init__(f"block {block}, step {step}", problem, mend)


class BugError(TinyfoaError):
    """Something was raised that no file and no call should bring about."""

    exit_status = 70


def as_known(error: Exception) -> TinyfoaError:
    """Return an error that is meant for people as it is, and any other one as the line with which a command ends."""
    if isinstance(error, TinyfoaError):
        return error
    if isinstance(error, MemoryError):
        problem = f"has run out ({error})" if str(error) else "has run out"
        return InputError("memory", problem, "use a smaller model or batch, fewer samples, or a machine with more")
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f"{Path(frame.filename).name}, line {frame.lineno}" for frame in last)
    problem = f"{type(error).__name__}: {error}"
    return BugError(place, problem[:_LONGEST_CAUSE], "this is a bug of tinyfoa-rt: please report it with this line and the model")


def _one_line(text: str, limit: int | None = None) -> str:
    """Fold whitespace and drop control characters: names come from files, and a message stays one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"
