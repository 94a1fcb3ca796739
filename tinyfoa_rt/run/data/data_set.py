"""The noun of this package, and the checks that every source of data passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.classes import LARGEST_NUM_CLASSES
from tinyfoa_rt.run.data.features import as_features
from tinyfoa_rt.run.data.label_map import LabelMap, is_named
from tinyfoa_rt.run.data.labels import as_labels, is_regression
from tinyfoa_rt.run.data.normalization import Normalization, channel_axis, measure
from tinyfoa_rt.run.data.split import split_stratified

__all__ = ["DataSet", "Part", "join", "split"]


Inputs = NDArray[Any] | Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class DataSet:
    """Samples as they were stored.

    Attributes:
        name: of the file or folder, or ``digits``.
        x_train: (N, ...), whole numbers or float32, perhaps memory-mapped; such arrays by name, where there are several inputs.
        y_train: classes (N,), int64; or (N, outputs), float32, of a regression.
        x_test: (M, ...), the type and sample shape of ``x_train``.
        y_test: as ``y_train``, (M, ...).
        num_classes: what the format says, or one more than the largest label; of names, and of numbers that are no class numbers,
            how many there are; 0 of a regression.
        label_map: the names of the classes, where labels are names.
    """

    name: str
    x_train: Any
    y_train: NDArray[Any]
    x_test: Any
    y_test: NDArray[Any]
    num_classes: int
    label_map: LabelMap | None = None

    def labels(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return ``y_train`` or ``y_test`` as they were stored: names, where labels are names."""
        return y if self.label_map is None else self.label_map.labels_of(y)

    @property
    def normalization(self) -> Normalization:
        """Mean and deviation of ``x_train``; of several inputs 0 and 1."""
        is_single = not isinstance(self.x_train, Mapping)
        return measure(self.x_train, channel_axis(self.x_train)) if is_single else Normalization(0.0, 1.0)

    def whole(self) -> tuple[Any, NDArray[Any]]:
        """All samples and labels, those for testing too."""
        if isinstance(self.x_train, Mapping):
            joined: Any = {name: np.concatenate((x, self.x_test[name])) for name, x in self.x_train.items()}
        else:
            joined = np.concatenate((self.x_train, self.x_test))
        return joined, self.labels(np.concatenate((self.y_train, self.y_test)))


@dataclass(frozen=True, eq=False)
class Part:
    """Samples and labels of one part as a reader found them, not checked; ``place`` is what messages begin with."""

    place: str
    x: Inputs
    y: NDArray[Any]

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The samples by name; a single array is ``x``."""
        return self.x if isinstance(self.x, Mapping) else {"x": self.x}


def join(name: str, train: Part, test: Part, *, num_classes: int | None = None) -> DataSet:
    """Check both parts and return them as one set.

    Args:
        name: of the set.
        train: what is trained on.
        test: the same sample shape and type.
        num_classes: what the format says; else one more than the largest label.

    Raises:
        InputError: unequal lengths or shapes, NaN, Inf, labels out of range, one class only, empty.
    """
    are_numbers = is_regression(train.y) or is_regression(test.y)
    train, test = _checked(train, are_numbers), _checked(test, are_numbers)
    _check_alike(train, test)
    if are_numbers:
        if train.y.shape[1:] != test.y.shape[1:]:
            problem = f"labels have shape {test.y.shape[1:]}, those of the training set {train.y.shape[1:]}"
            raise InputError(test.place, problem, "store both with one shape")
        return DataSet(name, train.x, train.y, test.x, test.y, 0)
    label_map = LabelMap.of(train.y) if is_named(train.y) or is_named(test.y) else None
    if label_map is not None:
        train, test = (replace(part, y=label_map.numbers_of(part.y, part.place)) for part in (train, test))
    if (train.y == train.y[0]).all():
        label = train.y[0] if label_map is None else f"'{label_map.text}'"
        raise InputError(train.place, f"all labels are {label}", "training needs samples of two classes or more")
    num_classes = num_classes or _count_classes(train.y, test.y)
    if num_classes > LARGEST_NUM_CLASSES:
        problem = f"has {num_classes:,} different labels, the limit is {LARGEST_NUM_CLASSES:,}"
        raise InputError(train.place, problem, "store classes, or real numbers to be told")
    return DataSet(name, train.x, train.y, test.x, test.y, num_classes, label_map)


def _count_classes(train: NDArray[np.int64], test: NDArray[np.int64]) -> int:
    """One more than the largest class number; of labels that are no class numbers, how many there are."""
    least, most = min(train.min(), test.min()), max(train.max(), test.max())
    return int(most) + 1 if least >= 0 and most < LARGEST_NUM_CLASSES else len(np.unique(np.concatenate([train, test])))


def split(name: str, whole: Part) -> DataSet:
    """Split a set that has no test part (see ``split_stratified``), then as ``join``."""
    are_numbers = is_regression(whole.y)
    whole = _checked(whole, are_numbers)
    train, test = split_stratified(np.zeros(len(whole.y), np.int64) if are_numbers else whole.y)
    if len(test) == 0:
        raise InputError(whole.place, f"{len(whole.y)} samples are too few to test with", "give at least three of a class")
    parts = (Part(whole.place, _each(whole, partial(_rows_of, rows)), whole.y[rows]) for rows in (train, test))
    return join(name, *parts)


def _checked(part: Part, are_numbers: bool) -> Part:
    for array in part.arrays.values():
        if array.ndim and part.y.ndim and len(array) != len(part.y):
            raise InputError(part.place, f"has {len(array)} samples and {len(part.y)} labels", "give one label a sample")
    return Part(part.place, _each(part, as_features), as_labels(part.y, part.place, are_numbers=are_numbers))


def _each(part: Part, change: Callable[[NDArray[Any], str], NDArray[Any]]) -> Inputs:
    """The samples with each array changed; ``change`` is given the array and its place."""
    if not isinstance(part.x, Mapping):
        return change(part.x, part.place)
    # One number a sample needs no axis of its own.
    return {name: change(np.atleast_2d(x.T).T, f"{part.place}, '{name}'") for name, x in part.x.items()}


def _rows_of(rows: NDArray[np.int64], x: NDArray[Any], place: str) -> NDArray[Any]:
    return x[rows]


def _check_alike(train: Part, test: Part) -> None:
    if train.arrays.keys() != test.arrays.keys():
        found, expected = (", ".join(part.arrays) for part in (test, train))
        raise InputError(test.place, f"holds {found}, the training set {expected}", "store the same arrays of both")
    for name, x in train.arrays.items():
        other = test.arrays[name]
        if x.shape[1:] != other.shape[1:]:
            problem = f"samples have shape {other.shape[1:]}, those of the training set {x.shape[1:]}"
            raise InputError(test.place, problem, "store both with one shape")
        if x.dtype != other.dtype:
            problem = f"samples are {other.dtype}, those of the training set {x.dtype}"
            raise InputError(test.place, problem, "store both with one type")
