"""Arrays by name, in a file or a folder: x_train and y_train, and x_test and y_test where there is a split already; or x and y.

X and Y will do too. Of a model with several inputs, NAME_train and NAME_test of each take the place of x; or NAME and y, where
there is no split.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.data_set import DataSet, Inputs, Part, join, split

__all__ = ["join_arrays", "whole_arrays"]

Read = Callable[[str], NDArray[Any]]


def join_arrays(path: Path, stored: Collection[str], read: Read, mend: str) -> DataSet:
    """Return a set; without ``x_test`` and ``y_test`` a fifth of each class is held back (see ``split_stratified``).

    Args:
        path: of the file or the folder.
        stored: the names of its arrays.
        read: returns an array by the name that it is stored under.
        mend: what to do where an array is missing.

    Raises:
        InputError: an array is missing, or the data do not pass ``join``.
    """
    arrays = _Arrays(path, stored, read, mend)
    if {"x_test", "y_test"} & arrays.stored.keys():
        return join(path.stem, arrays.part("_train"), arrays.part("_test"))
    return split(path.stem, arrays.part("" if "y" in arrays.stored else "_train"))


def whole_arrays(path: Path, stored: Collection[str], read: Read, mend: str) -> tuple[Inputs, NDArray[Any] | None]:
    """Return all samples, a training part with its test part behind it, and their labels, where there are any.

    Raises:
        InputError: there are no samples, or parts do not fit together.
    """
    arrays = _Arrays(path, stored, read, mend)
    endings = [each for each in ("_train", "_test") if any(name.endswith(each) for name in arrays.stored)] or [""]
    parts = [arrays.samples(ending) for ending in endings]
    labels = [read(arrays.stored[f"y{each}"]) for each in endings if f"y{each}" in arrays.stored]
    try:
        x = {name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else parts[0][name] for name in parts[0]}
        y = np.concatenate(labels) if labels else None
    except (KeyError, ValueError) as error:
        raise InputError(path.name, f"has parts that do not fit together ({error})", mend) from error
    return (x["x"] if x.keys() == {"x"} else x), y


class _Arrays:
    """Arrays by their names here, each with the name that it is stored under."""

    def __init__(self, path: Path, stored: Collection[str], read: Read, mend: str) -> None:
        self.path, self._read, self._mend = path, read, mend
        self.stored = {_lower(name): name for name in stored}

    def part(self, ending: str) -> Part:
        """One part: labels, and samples; where there is but ``x``, as an array."""
        x = self.samples(ending)
        which = ending.removeprefix("_") or "whole"
        return Part(f"{self.path.name}, {which} set", x["x"] if x.keys() == {"x"} else x, self._array(f"y{ending}"))

    def samples(self, ending: str) -> dict[str, NDArray[Any]]:
        """The samples of a part by the names of inputs."""
        found = [name.removesuffix(ending) for name in self.stored if name.endswith(ending) and name != f"y{ending}"] or ["x"]
        return {name: self._array(f"{name}{ending}") for name in found}

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self.stored:
            raise InputError(self.path.name, f"holds no array '{name}'", self._mend)
        return self._read(self.stored[name])


def _lower(name: str) -> str:
    """X and Y are x and y; names of inputs stay."""
    return name[0].lower() + name[1:] if name[:1] in ("X", "Y") and name[1:] in ("", "_train", "_test") else name
