"""What may be asked of a plan: the options of ``tinyfoa-rt plan`` and the keywords of :func:`tinyfoa_rt.plan`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Slices
from tinyfoa_rt.ir.recipe import (
    ALPHAS,
    BINARIZE,
    CLASSIFIERS,
    HANDOVERS,
    HEAD_POOLS,
    HEADS,
    LOSSES,
    OPTIMIZERS,
    SCALES,
    WINDOWS,
)

__all__ = ["AUTO", "RECIPE", "PlanOptions"]

AUTO = "auto"
# How blocks are trained: a plan's bytes follow from these options, but its JSON does not hold them.
RECIPE = ("binarize", "loss", "head_pool", "alpha", "scale", "window", "handover", "classifier", "classes")
SCHEDULES = ("slice", "freeze-diagonal", "full")
_GRID = re.compile(r"(\d{1,6})x(\d{1,6})")
_LARGEST_COUNT = 2**31
_MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class PlanOptions:
    """How to plan.

    Attributes:
        budget: RAM such as ``256KB``, or bytes; ``None`` takes the target board's.
        target: a profile's name or the path of one.
        batch: samples a step; ``None`` lets the plan choose.
        slices: a grid such as ``2x2`` (inputs x outputs) for all layers; ``auto`` lets the plan choose.
        optimizer: ``sgd``, ``momentum``, ``adam`` or ``auto``.
        head: ``rademacher``, ``kaiming``, ``classifier`` (the weights of the model's own classifier for the block that it reads,
            ``rademacher`` for others), ``learned``, or ``auto``: ``classifier`` behind frozen blocks where nothing is binarized.
        head_pool: what heads see: the mean of each channel in each cell of a 4 x 4 ``grid`` (convolutions; else every unit), its
            ``average`` over all positions, or every unit (``none``).
        schedule: ``slice``, ``freeze-diagonal`` or ``full``.
        train: ``all``, ``last:K``, or names of blocks or layers.
        binarize: ``both``, ``weights`` or ``none``.
        loss: ``cross-entropy``, ``mean-squared-error`` or ``auto``: the latter where the output is as large as the input.
        nonvolatile: ``none``, ``unlimited`` or a size, in place of the target's.
        alpha: ``row`` or ``tensor``: what the scale of binary weights is the mean of.
        scale: ``running`` or ``batch``: what the scale of binary activations is the mean of.
        window: ``symmetric`` or ``relu``: where the straight-through estimator lets the error pass.
        handover: ``bits`` or ``scaled``: whether the next block reads {0, 1} or {0, s}.
        classifier: ``real`` or ``binary``: weights of the model's own classifier.
        classes: of a new classifier in place of the model's; ``None`` keeps that.
        seed: of the heads.
        samples: of the data set; ``None`` where unknown.
        rotate_every: steps that a slice stays; ``None`` is 1 on onnxruntime, an equal part of an epoch elsewhere.

    Raises:
        UsageError: a value is not one of those above.
    """

    budget: str | int | None = None
    target: str = "ort-cpu"
    batch: int | None = None
    slices: str = AUTO
    optimizer: str = AUTO
    head: str = AUTO
    head_pool: str = "grid"
    schedule: str = "slice"
    train: str = "all"
    binarize: str = "both"
    loss: str = AUTO
    nonvolatile: str | None = None
    alpha: str = "row"
    scale: str = "running"
    window: str = "symmetric"
    handover: str = "bits"
    classifier: str = "real"
    classes: int | None = None
    seed: int = 0
    samples: int | None = None
    rotate_every: int | None = None

    def __post_init__(self) -> None:
        _one_of("--optimizer", self.optimizer, (AUTO, *OPTIMIZERS))
        _one_of("--head", self.head, (AUTO, *HEADS))
        _one_of("--head-pool", self.head_pool, HEAD_POOLS)
        _one_of("--schedule", self.schedule, SCHEDULES)
        _one_of("--binarize", self.binarize, BINARIZE)
        _one_of("--loss", self.loss, (AUTO, *LOSSES))
        _one_of("--alpha", self.alpha, ALPHAS)
        _one_of("--scale", self.scale, SCALES)
        _one_of("--window", self.window, WINDOWS)
        _one_of("--handover", self.handover, HANDOVERS)
        _one_of("--classifier", self.classifier, CLASSIFIERS)
        for option, value in (("--batch", self.batch), ("--samples", self.samples), ("--rotate-every", self.rotate_every)):
            if value is not None and not 1 <= value <= _LARGEST_COUNT:
                raise UsageError(f"{option} {value}", "is not between 1 and 2^31", "give a whole number such as 1 or 100")
        if self.classes is not None and not 2 <= self.classes <= _MOST_CLASSES:
            raise UsageError(f"--classes {self.classes}", "is not between 2 and 1,000,000", "give how many the new task has")
        if self.schedule == "full" and self.slices not in (AUTO, "1x1"):
            raise UsageError(f"--slices {self.slices}", "the schedule 'full' has no slices", "leave one of the two out")
        self.grid()

    def grid(self) -> Slices | None:
        """The grid asked for, or ``None`` where the plan chooses."""
        if self.slices == AUTO:
            return None
        match = _GRID.fullmatch(self.slices)
        if match is None or not int(match[1]) or not int(match[2]):
            raise UsageError(f"--slices {self.slices}", "is not a grid", "write inputs x outputs, for example 2x2, or auto")
        return Slices(int(match[1]), int(match[2]))


def _one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{option} {value}", "is not known", f"use {', '.join(allowed)}")
