"""Which class of a model each label is, where labels are no class numbers: names, or whole numbers with gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.names import elide

__all__ = ["LabelMap", "is_named", "label_map_of"]

_MEND = "start training anew"


@dataclass(frozen=True)
class LabelMap:
    """Labels by class number, ascending: all of them names, or all whole numbers.

    Attributes:
        labels: at least one; no two are equal.
    """

    labels: tuple[str, ...] | tuple[int, ...]

    @classmethod
    def of(cls, y: NDArray[Any]) -> LabelMap:
        """Return the map of the labels that occur in ``y`` (N,)."""
        return cls(tuple(np.unique(y).tolist()))

    def numbers_of(self, y: NDArray[Any], place: str) -> NDArray[np.int64]:
        """Return the class number of each label (N,).

        Raises:
            InputError: a label is none of the map; names the first row, counted from 0.
        """
        known = np.asarray(self.labels)
        if is_named(y) != is_named(known):
            found, expected = ("names" if is_named(each) else "numbers" for each in (y, known))
            raise InputError(place, f"labels are {found}, those that the model has learnt {expected}", f"give {self.text}")
        numbers = np.minimum(np.searchsorted(known, y), len(known) - 1)
        is_unknown = known[numbers] != y
        if is_unknown.any():
            row = int(is_unknown.argmax())
            raise InputError(f"{place}, row {row}", f"label '{elide(str(y[row]))}' is none of {self.text}", "leave the row out")
        return numbers.astype(np.int64)

    def labels_of(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return the label of each class number, in any shape."""
        found: NDArray[Any] = np.asarray(self.labels)[numbers]
        return found

    @property
    def text(self) -> str:
        """The labels in a line; of many the first ones."""
        shown = ", ".join(elide(str(label)) for label in self.labels[:8])
        return shown if len(self.labels) <= 8 else f"{shown} ..."

    def to_json(self) -> list[Any]:
        """Return a list of texts or of whole numbers."""
        return list(self.labels)

    @classmethod
    def from_json(cls, value: Any) -> LabelMap:
        """Return what :meth:`to_json` wrote.

        Raises:
            InputError: it is no list of texts alone, or of whole numbers alone, that ascends.
        """
        kinds = {type(label) for label in value} if isinstance(value, list) else set()
        if kinds not in ({str}, {int}) or any(a >= b for a, b in zip(value, value[1:])):
            raise InputError("checkpoint, progress, labels", "are not a list of labels that ascends", _MEND)
        return cls(tuple(value))


def is_named(y: NDArray[Any]) -> bool:
    """Whether labels are names."""
    return y.dtype.kind in "UST" or (y.dtype.kind == "O" and bool(len(y)) and all(isinstance(each, str) for each in y.flat))


def label_map_of(y: NDArray[Any], num_outputs: int, place: str) -> LabelMap | None:
    """Return the map that labels (N,) of a model with ``num_outputs`` classes need: none, where they are class numbers.

    Raises:
        InputError: there are more different labels than classes.
    """
    if not is_named(y) and y.min() >= 0 and y.max() < num_outputs:
        return None
    found = LabelMap.of(y)
    if len(found.labels) > num_outputs:
        problem = f"has {len(found.labels)} different labels ({found.text}), and the model {num_outputs} classes"
        raise InputError(place, problem, f"plan with --classes {len(found.labels)}, or another --loss")
    return found
