"""What training says of a step."""

from __future__ import annotations

from dataclasses import dataclass

from tinyfoa_rt.run.evaluation import Evaluation

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """One step, for people and for the log.

    Attributes:
        block: its name.
        epoch: of the block, from 0.
        step: of the block, from 0.
        num_steps: steps that the block takes in all.
        total_steps: steps of all blocks so far, this one included.
        loss: mean of the batch.
        accuracy: of the block's scores on the batch; 0 where it has none.
        validation: what the block is worth on samples that are held back, behind the last step of an epoch; else ``None``.
    """

    block: str
    epoch: int
    step: int
    num_steps: int
    total_steps: int
    loss: float
    accuracy: float
    validation: Evaluation | None = None
