"""Samples that are held back: blocks are measured on them, and no step, no calibration and no normalization reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import SomeRows
from tinyfoa_rt.run.feed import Samples

__all__ = ["HeldBack", "hold_back", "rows_of_split"]

Array = NDArray[Any]
# Tells the draw of the split from those of the order of samples, which are (seed, block, epoch).
_OF_SPLIT = 2**31


@dataclass(frozen=True, eq=False)
class HeldBack:
    """Validation samples, with their labels as a step takes them."""

    samples: Samples
    labels: Array


def rows_of_split(count: int, share: float, seed: int) -> tuple[Array, Array]:
    """Return the rows that are trained on and those that are held back, each ascending: by chance, from the seed.

    Raises:
        InputError: one of the two would be empty.
    """
    num_held = round(count * share)
    if not 0 < num_held < count:
        problem = f"is {num_held} of {count} samples"
        raise InputError(f"--validation {share}", problem, "give a share that leaves samples on both sides, or a file")
    drawn = np.random.default_rng((seed, _OF_SPLIT)).permutation(count)
    return np.sort(drawn[num_held:]), np.sort(drawn[:num_held])


def hold_back(sets: Sequence[tuple[Samples, Array]], settings: TrainSettings) -> tuple[Samples, Array, HeldBack | None]:
    """Return what is trained on, samples and labels, and what is held back.

    Args:
        sets: samples and labels; and where these are data of their own, those that are held back.
        settings: may hold a share back.

    Raises:
        InputError: as :func:`rows_of_split`.
    """
    samples, labels = sets[0]
    if not settings.validation:
        return samples, labels, HeldBack(*sets[1]) if len(sets) > 1 else None
    trained, held = rows_of_split(len(labels), settings.validation, settings.seed)
    return _some(samples, trained), labels[trained], HeldBack(_some(samples, held), labels[held])


def _some(samples: Samples, rows: Array) -> Samples:
    return Samples(tuple(replace(each, x=SomeRows(each.x, rows)) for each in samples.inputs))
