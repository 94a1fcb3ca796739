"""What a ``fit`` trains on, as its steps read it: samples, labels and samples that are held back; how they are normalized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import Manifest
from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.run.data import LabelMap, Normalization, SomeRows
from tinyfoa_rt.run.data.normalization import AUTO, channel_axis, check_normalization, measure
from tinyfoa_rt.run.feed import Samples, samples_of
from tinyfoa_rt.run.held_back import rows_of_split
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.step_labels import as_step_labels, first_label_map

__all__ = ["Given", "Inputs", "label_map_of_round", "normalization_of_round"]

Array = NDArray[Any]
Inputs = Array | Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Given:
    """Samples and labels as a user gives them.

    Attributes:
        x: samples (N, ...), or such by the names of the model's inputs.
        y: labels of any form that ``Trainer.fit`` takes.
    """

    x: Inputs
    y: Any

    def read(self, manifest: Manifest, normalization: Normalization | None, label_map: LabelMap | None) -> tuple[Samples, Array]:
        """Return samples, and labels as a step takes them.

        Raises:
            InputError: they do not fit the model, or one another.
        """
        samples = samples_of(manifest, self.x, normalization)
        return samples, as_step_labels(manifest, len(samples), np.asarray(self.y), label_map)


def label_map_of_round(manifest: Manifest, progress: Progress, y: Any) -> LabelMap | None:
    """Return which label each class is: as the model has learnt, and at first as the labels have it."""
    has_learnt = progress.label_map is not None or bool(progress.rates or progress.powers)
    return progress.label_map if has_learnt else first_label_map(manifest, np.asarray(y))


def normalization_of_round(
    manifest: Manifest, progress: Progress, given: Given, asked: Normalization | str | None, settings: TrainSettings
) -> Normalization | None:
    """Return the normalization that a ``fit`` asks for, measured on the samples that steps are taken on.

    Frozen blocks want samples as those that they were trained on, and what reconstructs samples has them as its labels.

    Args:
        manifest: of the artifact.
        progress: how far training is: what has begun to learn keeps its normalization.
        given: all samples, those that are held back among them.
        asked: the normalization itself, ``auto``, ``data`` or ``none``; ``None`` too is none.
        settings: of the round.

    Raises:
        UsageError: ``asked`` is not known, or the model has several inputs.
        InputError: the samples do not fit the model.
    """
    if asked is None or isinstance(asked, Normalization):
        return asked
    check_normalization(asked)
    if asked == AUTO and (progress.rates or (progress.data is not None and progress.block < len(manifest.blocks))):
        return progress.normalization
    raw = samples_of(manifest, given.x, None).inputs[0].x
    reconstructs = manifest.loss.prediction == "value" and np.size(given.y) == np.prod(raw.shape)
    does_good = manifest.frozen_blocks == 0 and not reconstructs and manifest.takes_normalization
    if asked == "none" or (asked == AUTO and not does_good):
        return None
    trained = SomeRows(raw, rows_of_split(len(raw), settings.validation, settings.seed)[0]) if settings.validation else raw
    return measure(trained, channel_axis(trained))
