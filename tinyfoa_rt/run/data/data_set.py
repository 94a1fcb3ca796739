"""The noun of this package, and the checks that every source of data passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.classes import check_classes
from tinyfoa_rt.run.data.features import as_features
from tinyfoa_rt.run.data.labels import as_labels, is_regression
from tinyfoa_rt.run.data.normalization import Normalization, measure
from tinyfoa_rt.run.data.some_rows import SomeRows
from tinyfoa_rt.run.data.split import split_stratified

__all__ = ["DataSet", "Part", "join", "split"]


Inputs = NDArray[Any] | Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class DataSet:
    """Samples as they were stored; ``normalization`` is for the reader to apply, a batch at a time.

    Attributes:
        name: of the file or folder, or ``digits``.
        x_train: (N, ...), whole numbers or float32, perhaps memory-mapped; such arrays by name, where there are several inputs.
        y_train: (N,), int64, 0 <= label < ``num_classes``; or (N, outputs), float32, of a regression.
        x_test: (M, ...), the type and sample shape of ``x_train``.
        y_test: as ``y_train``, (M, ...).
        num_classes: one more than the largest label, or what the format says; 0 of a regression.
        normalization: measured on ``x_train``; of several inputs none is (mean 0, deviation 1).
    """

    name: str
    x_train: Any
    y_train: NDArray[Any]
    x_test: Any
    y_test: NDArray[Any]
    num_classes: int
    normalization: Normalization

    @property
    def reconstructs(self) -> bool:
        """Whether labels are as many numbers as samples, and so most likely the samples themselves."""
        is_single = not isinstance(self.x_train, Mapping)
        return not self.num_classes and is_single and self.y_train[0].size == self.x_train[0].size

    def normalization_of(self, rows: NDArray[np.int64]) -> Normalization:
        """That of these rows of ``x_train`` alone, measured as that of all was."""
        if isinstance(self.x_train, Mapping):
            return self.normalization
        axis = self.normalization.axis if isinstance(self.normalization.mean, tuple) else None
        return measure(SomeRows(self.x_train, rows), axis)

    def whole(self) -> tuple[Any, NDArray[Any]]:
        """All samples and labels, those for testing too."""
        if isinstance(self.x_train, Mapping):
            joined: Any = {name: np.concatenate((x, self.x_test[name])) for name, x in self.x_train.items()}
        else:
            joined = np.concatenate((self.x_train, self.x_test))
        return joined, np.concatenate((self.y_train, self.y_test))


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


def join(name: str, train: Part, test: Part, *, num_classes: int | None = None, channel_axis: int | None = None) -> DataSet:
    """Check both parts and return them as one set.

    Args:
        name: of the set.
        train: measured for the normalization.
        test: the same sample shape and type.
        num_classes: what the format says; else one more than the largest label.
        channel_axis: mean and deviation are of each channel on this axis; else of all elements.

    Raises:
        InputError: unequal lengths or shapes, NaN, Inf, labels out of range, one class only, empty.
    """
    are_numbers = is_regression(train.y) or is_regression(test.y)
    train, test = _checked(train, are_numbers), _checked(test, are_numbers)
    _check_alike(train, test)
    normalization = Normalization(0.0, 1.0) if isinstance(train.x, Mapping) else measure(train.x, channel_axis)
    if are_numbers:
        if train.y.shape[1:] != test.y.shape[1:]:
            problem = f"labels have shape {test.y.shape[1:]}, those of the training set {train.y.shape[1:]}"
            raise InputError(test.place, problem, "store both with one shape")
        return DataSet(name, train.x, train.y, test.x, test.y, 0, normalization)
    if (train.y == train.y[0]).all():
        raise InputError(train.place, f"all labels are {train.y[0]}", "training needs samples of two classes or more")
    if num_classes is None:
        num_classes = int(max(train.y.max(), test.y.max())) + 1
    for part in (train, test):
        check_classes(part.y, num_classes, part.place)
    return DataSet(name, train.x, train.y, test.x, test.y, num_classes, normalization)


def split(name: str, whole: Part, *, channel_axis: int | None = None) -> DataSet:
    """Split a set that has no test part (see ``split_stratified``), then as ``join``."""
    are_numbers = is_regression(whole.y)
    whole = _checked(whole, are_numbers)
    train, test = split_stratified(np.zeros(len(whole.y), np.int64) if are_numbers else whole.y)
    if len(test) == 0:
        raise InputError(whole.place, f"{len(whole.y)} samples are too few to test with", "give at least three of a class")
    parts = (Part(whole.place, _each(whole, partial(_rows_of, rows)), whole.y[rows]) for rows in (train, test))
    return join(name, *parts, channel_axis=channel_axis)


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
