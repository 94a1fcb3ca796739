"""Labels as a step takes them, and which label each class of the model is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import Manifest
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import LabelMap, check_classes
from tinyfoa_rt.run.data.classes import as_classes
from tinyfoa_rt.run.data.label_map import is_named, label_map_of

__all__ = ["as_step_labels", "first_label_map"]

Array = NDArray[Any]


def first_label_map(manifest: Manifest, y: Array) -> LabelMap | None:
    """Return which label each class is, of a model that learns for the first time; ``None`` where labels are class numbers.

    Raises:
        InputError: there are more labels than classes, or they are no classes.
    """
    num_classes = _num_classes(manifest)
    if not num_classes or y.size == 0 or (num_classes == 2 and y.dtype.kind == "f"):
        return None
    return label_map_of(as_classes(y, "data"), num_classes, "data")


def _num_classes(manifest: Manifest) -> int:
    """How many classes a sample may be of; 0 where it is of none, or where each output tells of its own."""
    if manifest.loss.labels == "class":
        return manifest.num_outputs
    return 2 if manifest.loss.labels == "probabilities" and manifest.num_outputs == 1 else 0


def as_step_labels(manifest: Manifest, num_samples: int, y: Array, label_map: LabelMap | None = None) -> Array:
    """Return labels as a step takes them: class numbers (N,) int64, or vectors (N, outputs) float32, of one output (N,) too.

    Raises:
        InputError: no samples, unequal numbers, classes out of range, labels of another size, or those of another loss.
    """
    if y.ndim == 0:
        raise InputError("data", "labels are a single value", "give one label a sample")
    if num_samples == 0:
        raise InputError("data", "has no samples", "give at least one")
    if num_samples != len(y):
        raise InputError("data", f"has {num_samples} samples and {len(y)} labels", "give one label a sample")
    loss = manifest.loss
    if loss.labels == "class" or label_map is not None:
        y = as_classes(y, "data")
        if label_map is not None:
            y = label_map.numbers_of(y, "data")
        elif is_named(y):
            raise InputError("data", "labels are names, and the model has learnt class numbers", "give class numbers")
    if loss.labels == "class":
        check_classes(y, manifest.num_outputs, "data")
        return y
    if y.dtype.kind not in "biuf":
        raise InputError("data", f"labels are {y.dtype}", "give one vector of numbers a sample")
    with np.errstate(over="ignore"):
        flat = y.astype(np.float32).reshape(len(y), -1)
    if flat.shape[1] != manifest.num_outputs:
        problem = f"labels have {flat.shape[1]} numbers, the model {manifest.num_outputs}"
        raise InputError("data", problem, f"give one vector a sample, or plan with another --loss than {loss.name}")
    is_finite = np.isfinite(flat).all(axis=1)
    if not is_finite.all():
        place = f"data, row {int(is_finite.argmin())}"
        raise InputError(place, "has a label that is NaN or Inf", "leave the row out")
    if loss.labels == "probabilities" and (flat.min() < 0 or flat.max() > 1):
        row = int(((flat < 0) | (flat > 1)).any(axis=1).argmax())
        raise InputError(f"data, row {row}", "has a label that is not between 0 and 1", "plan with --loss mean-squared-error")
    return flat
