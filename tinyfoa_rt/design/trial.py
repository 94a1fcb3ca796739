"""Short trainings of candidates, on one part of the training samples, measured on the other.

A candidate is planned for one sample a step, and tried in steps of 32, which onnxruntime takes an order of magnitude faster a
sample; the recipe's rates follow from the batch. Rates, formats of weights, heads and slices are those of the plan.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.design.planning import Planner
from tinyfoa_rt.design.space import Candidate
from tinyfoa_rt.errors import DivergenceError
from tinyfoa_rt.pipeline import build
from tinyfoa_rt.run.data import DataSet, Normalization
from tinyfoa_rt.run.data.split import split_stratified
from tinyfoa_rt.run.trainer import Trainer

__all__ = ["BATCH", "Measured", "TrialGround"]

BATCH = 32
_MOST_VALIDATION = 5000
# Bytes that are never reached: a trial runs on this machine, whatever it is for.
_HERE = {"target": "ort-cpu", "budget": 2**50, "nonvolatile": "unlimited", "batch": BATCH}


class Measured(NamedTuple):
    """What a trial came to on the validation samples; both are ``None`` where training has left the range of numbers."""

    seconds: float
    loss: float | None = None
    accuracy: float | None = None

    @property
    def score(self) -> float:
        """By which trials are ranked: the accuracy, or minus the loss of a regression."""
        if self.loss is None:
            return -math.inf
        return -self.loss if self.accuracy is None else self.accuracy

    def __str__(self) -> str:
        if self.loss is None:
            return "diverged"
        return f"loss {self.loss:.4g}" if self.accuracy is None else f"{self.accuracy:.1%}"


@dataclass(frozen=True)
class TrialGround:
    """The samples that trials train on, and those that measure them.

    Attributes:
        planner: of candidates.
        data: as it was loaded; its test samples are never read.
        normalization: of its training samples.
        fit: rows of its training samples to train on, in a drawn order.
        validation: rows to measure on.
        seed: of the order of samples.
    """

    planner: Planner
    data: DataSet
    normalization: Normalization
    fit: NDArray[np.int64]
    validation: NDArray[np.int64]
    seed: int

    @classmethod
    def of(cls, planner: Planner, data: DataSet, seed: int) -> TrialGround:
        """Split off a fifth of the training samples of each class, 5,000 at most, for validation."""
        labels = data.y_train if data.num_classes else np.zeros(len(data.y_train), np.int64)
        rng = np.random.default_rng(seed)
        fit, validation = (rng.permutation(rows) for rows in split_stratified(labels))
        return cls(planner, data, data.normalization, fit, np.sort(validation[:_MOST_VALIDATION]), seed)

    def measure(self, candidate: Candidate, samples: int) -> Measured:
        """Train a candidate on so many samples from scratch, some of them more than once if there are fewer; measure it."""
        begin = time.monotonic()
        path = self.planner.path
        trainer = Trainer(build(path, self.planner.planned(candidate, **_HERE)), threads=1, kernels=None)
        epochs = -(-samples // len(self.fit))
        rows = np.sort(self.fit[: samples // epochs])
        x, y, settings = self.data.x_train, self.data.y_train, {"epochs": epochs, "seed": self.seed}
        try:
            trainer.fit(x[rows], y[rows], normalization=self.normalization, **settings)
            found = trainer.evaluate(x[self.validation], y[self.validation])
        except DivergenceError:
            return Measured(time.monotonic() - begin)
        return Measured(time.monotonic() - begin, found.loss, found.accuracy)
