"""The order of samples in an epoch: a function of seed, block and epoch, so that any epoch can be made again.

Where classes are of unequal size, an epoch may draw its samples: with weights w that fall with the size of their class. A sample
is then taken N w / sum(w) times, rounded up or down by chance. Samples of a class share their rounding (systematic sampling), so
that each class has its share to within one sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.records import Manifest
from tinyfoa_rt.artifact.settings import SAMPLING
from tinyfoa_rt.errors import UsageError

__all__ = ["SampleOrder", "check_sampling"]

Array = NDArray[Any]


class SampleOrder:
    """The batches of all epochs of a block.

    Args:
        labels: one a sample. Where samples are drawn, classes (N,); or 0 and 1 (N, 1): those above 1/2 are the second class.
        batch: samples a step.
        seed: names data set and block.
        sampling: as :class:`tinyfoa_rt.artifact.settings.TrainSettings` has it.
    """

    def __init__(self, labels: Array, batch: int, seed: tuple[int, ...], sampling: str = "uniform") -> None:
        self._labels = labels
        self._batch = batch
        self._seed = seed
        self._power = SAMPLING[sampling]

    @property
    def num_batches(self) -> int:
        """Batches of an epoch: what does not fill a batch is left out; fewer samples than a batch are repeated."""
        return max(1, len(self._labels) // self._batch)

    def epoch(self, number: int) -> Array:
        """Return the rows of an epoch as (batches, batch)."""
        rng = np.random.default_rng((*self._seed, number))
        order = rng.permutation(len(self._labels))
        if self._power:
            order = rng.permutation(self._drawn(order, rng.random()))
        return np.resize(order, (self.num_batches, self._batch))

    def _drawn(self, order: Array, start: float) -> Array:
        """Take each row as often as its weight says, class by class; ``start``, from 0 to 1, says which are rounded up."""
        classes = self._labels if self._labels.ndim == 1 else (self._labels[:, 0] > 0.5).astype(np.int64)
        grouped = order[np.argsort(classes[order], kind="stable")]
        ends = np.cumsum(np.bincount(classes)[classes[grouped]] ** -self._power)
        places = (start + np.arange(len(order))) * (ends[-1] / len(order))
        # The last place may round up to the end.
        return np.asarray(grouped[np.minimum(np.searchsorted(ends, places, side="right"), len(order) - 1)])


def check_sampling(manifest: Manifest, sampling: str) -> None:
    """Refuse to draw samples by their class where they have none.

    Raises:
        UsageError: names the loss.
    """
    has_classes = manifest.loss.labels == "class" or (manifest.loss.labels == "probabilities" and manifest.num_outputs == 1)
    if SAMPLING[sampling] and not has_classes:
        problem = f"needs one class a sample, and the loss is {manifest.loss.name} of {manifest.num_outputs} outputs"
        raise UsageError(f"--sampling {sampling}", problem, "leave it out, and repeat rare samples in the data")
