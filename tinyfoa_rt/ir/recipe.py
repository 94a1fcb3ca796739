"""The recipe: what is trained how, apart from sizes. Slices and batch are what planning chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["BINARIZE", "HEADS", "LOSSES", "OPTIMIZERS", "Binarize", "Head", "Loss", "Optimizer", "Recipe"]

Optimizer = Literal["sgd", "momentum", "adam"]
Head = Literal["rademacher", "kaiming", "learned"]
Binarize = Literal["both", "weights", "none"]
Loss = Literal["cross-entropy", "mean-squared-error"]

OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "momentum", "adam")
HEADS: tuple[Head, ...] = ("rademacher", "kaiming", "learned")
BINARIZE: tuple[Binarize, ...] = ("both", "weights", "none")
LOSSES: tuple[Loss, ...] = ("cross-entropy", "mean-squared-error")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a block is trained (design, section 2).

    Attributes:
        optimizer: what turns a gradient into a step.
        head: the fixed random matrix of a local head; ``rademacher`` is computed from a hash, the others are stored.
        binarize: weights and activations, weights only, or nothing.
        loss: of the model's output and of the local heads.
        num_outputs: classes, or the size of the target of a regression.
        seed: of the hashed head.
        pools_head: a local head sees the mean of each channel over all positions, not every position.
    """

    optimizer: Optimizer = "sgd"
    head: Head = "rademacher"
    binarize: Binarize = "both"
    loss: Loss = "cross-entropy"
    num_outputs: int = 10
    seed: int = 0
    pools_head: bool = False
