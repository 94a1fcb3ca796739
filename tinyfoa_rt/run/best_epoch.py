"""The best epoch of the block in training (``--patience``): what the block was worth, and its state behind it.

Both are part of a checkpoint, so that a training that goes on ends as it would have.
"""

from __future__ import annotations

from tinyfoa_rt.artifact.records import BlockRecord
from tinyfoa_rt.run.block_validation import BlockValidation
from tinyfoa_rt.run.evaluation import Evaluation
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.progress import Progress

__all__ = ["BestEpoch"]


class BestEpoch:
    """Follows what a block is worth from epoch to epoch, and puts it back to its best."""

    def __init__(self, record: BlockRecord, validation: BlockValidation, state: ModelState, progress: Progress) -> None:
        self._record = record
        self._validation = validation
        self._state = state
        self._progress = progress

    def measure(self, epoch: int) -> Evaluation | None:
        """Measure the block behind an epoch; where it is better than before, its state is kept."""
        progress, measured = self._progress, self._validation.measure(self._progress)
        if measured is not None and progress.settings.patience is not None:
            worth = self._validation.worth(progress.validated[self._record.name])
            if progress.best is None or worth > self._validation.worth(progress.best[1]):
                progress.best = (epoch, progress.validated[self._record.name])
                self._state.keep_best(self._record)
        return measured

    def is_over(self, epoch: int) -> bool:
        """Whether the block has not become better for as many epochs before ``epoch`` as one is patient."""
        best, patience = self._progress.best, self._progress.settings.patience
        return best is not None and patience is not None and epoch - 1 - best[0] >= patience

    def put_back(self) -> None:
        """Let the block be as it was behind its best epoch, where that is known."""
        if self._progress.best is not None:
            self._state.restore_best(self._record)
            self._progress.validated[self._record.name] = self._progress.best[1]
            self._progress.best = None
