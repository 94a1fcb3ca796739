"""The noun of this package, and the checks that every source of data passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data.features import as_features
from tinyfoa_rt.run.data.labels import check_labels
from tinyfoa_rt.run.data.normalization import Normalization, measure
from tinyfoa_rt.run.data.split import split_stratified
from tinyfoa_rt.run.data.targets import as_targets, is_regression

__all__ = ["DataSet", "Part", "join", "split"]


@dataclass(frozen=True, eq=False)
class DataSet:
    """Samples as they were stored; ``normalization`` is for the reader to apply, a batch at a time.

    Attributes:
        name: of the file or folder, or ``digits``.
        x_train: (N, ...), uint8 or float32, perhaps memory-mapped.
        y_train: (N,), int64, 0 <= label < ``num_classes``; or (N, outputs), float32, of a regression.
        x_test: (M, ...), the type and sample shape of ``x_train``.
        y_test: as ``y_train``, (M, ...).
        num_classes: one more than the largest label, or what the format says; 0 of a regression.
        normalization: measured on ``x_train``.
    """

    name: str
    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]
    num_classes: int
    normalization: Normalization


@dataclass(frozen=True, eq=False)
class Part:
    """Samples and labels of one part as a reader found them, not checked; ``place`` is what messages begin with."""

    place: str
    x: NDArray[Any]
    y: NDArray[Any]


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
    train, test = _checked(train), _checked(test)
    if train.x.shape[1:] != test.x.shape[1:]:
        problem = f"samples have shape {test.x.shape[1:]}, those of the training set {train.x.shape[1:]}"
        raise InputError(test.place, problem, "store both with one shape")
    if train.x.dtype != test.x.dtype:
        problem = f"samples are {test.x.dtype}, those of the training set {train.x.dtype}"
        raise InputError(test.place, problem, "store both with one type")
    if is_regression(train.y) or is_regression(test.y):
        if train.y.shape[1:] != test.y.shape[1:]:
            problem = f"targets have shape {test.y.shape[1:]}, those of the training set {train.y.shape[1:]}"
            raise InputError(test.place, problem, "store both with one shape")
        return DataSet(name, train.x, train.y, test.x, test.y, 0, measure(train.x, channel_axis))
    if (train.y == train.y[0]).all():
        raise InputError(train.place, f"all labels are {train.y[0]}", "training needs samples of two classes or more")
    if num_classes is None:
        num_classes = int(max(train.y.max(), test.y.max())) + 1
    for part in (train, test):
        check_labels(part.y, num_classes, part.place)
    return DataSet(name, train.x, train.y, test.x, test.y, num_classes, measure(train.x, channel_axis))


def split(name: str, whole: Part, *, channel_axis: int | None = None) -> DataSet:
    """Split a set that has no test part (see ``split_stratified``), then as ``join``."""
    whole = _checked(whole)
    train, test = split_stratified(np.zeros(len(whole.y), np.int64) if is_regression(whole.y) else whole.y)
    if len(test) == 0:
        raise InputError(whole.place, f"{len(whole.y)} samples are too few to test with", "give at least three of a class")
    parts = (Part(whole.place, whole.x[rows], whole.y[rows]) for rows in (train, test))
    return join(name, *parts, channel_axis=channel_axis)


def _checked(part: Part) -> Part:
    if part.x.ndim and part.y.ndim and len(part.x) != len(part.y):
        raise InputError(part.place, f"has {len(part.x)} samples and {len(part.y)} labels", "give one label a sample")
    return Part(part.place, as_features(part.x, part.place), as_targets(part.y, part.place))
