"""How good a block is by itself: its own prediction of samples that are held back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.run.evaluation import Evaluation, evaluate_scores
from tinyfoa_rt.run.feed import gathered
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.held_back import HeldBack
from tinyfoa_rt.run.progress import Progress

__all__ = ["BlockValidation", "best_exit", "check_validation", "find_exit"]


class BlockValidation:
    """Measures one block of a model, again and again while it trains: what enters it is computed once.

    Args:
        artifact: of the model.
        forward: the pass to the block and to its scores.
        held_back: the samples.
        index: of the block.
    """

    def __init__(self, artifact: Artifact, forward: ForwardPass, held_back: HeldBack, index: int) -> None:
        self._loss = loss_of(artifact.manifest.loss.name)
        self._name = artifact.blocks[index].name
        self._forward = forward
        self._labels = held_back.labels
        self._index = index
        self._feed = forward.feed(index, held_back.samples) if forward.predicts(index) else None

    def worth(self, validated: float) -> float:
        """What is better is more (:func:`_worth`)."""
        return _worth(self._loss.prediction, validated)

    def measure(self, progress: Progress) -> Evaluation | None:
        """Return loss and accuracy of the block as it is, and note it; ``None`` where it does not predict by itself."""
        if self._feed is None:
            return None
        rows = np.arange(len(self._labels))
        parts = [rows[part] for part in self._forward.parts(len(rows))]
        found = [self._forward.block_scores(self._index, gathered(self._feed, part), len(part)) for part in parts]
        measured = evaluate_scores(np.concatenate(found), self._labels, self._loss)
        progress.validated[self._name] = measured.loss if measured.accuracy is None else measured.accuracy
        return measured


def check_validation(settings: TrainSettings, held_back: HeldBack | None, artifact: Artifact, forward: ForwardPass) -> None:
    """Refuse to look for the best epoch where none can be measured, and for the best block where not all can.

    Raises:
        UsageError: names the setting.
    """
    best_epoch = "" if settings.patience is None else f"--patience {settings.patience}"
    best_block = "" if settings.stop == "last" else f"--stop {settings.stop}"
    for place in filter(None, (best_epoch, best_block)):
        if held_back is None:
            raise UsageError(place, "compares what is found on samples that are held back", "add --validation 0.1, or a file")
    if best_epoch and artifact.manifest.order == "interleaved":
        raise UsageError(best_epoch, "ends one block, and --order interleaved trains all together", "leave one of the two out")
    unknown = [block.name for index, block in enumerate(artifact.blocks) if not forward.predicts(index)]
    if best_block and unknown:
        problem = f"wants a prediction of each block, and {unknown[0]} has none"
        raise UsageError(best_block, problem, "build with --exits and local heads, and train the model's classifier")


def find_exit(artifact: Artifact, forward: ForwardPass, held_back: HeldBack, progress: Progress) -> str | None:
    """Return the block at whose head the model ends: the first of the best; ``None`` where that is the model's classifier.

    Blocks that were not trained in this round are measured for it.
    """
    for index, block in enumerate(artifact.blocks):
        if not progress.settings.trains(block.name):
            BlockValidation(artifact, forward, held_back, index).measure(progress)
    return best_exit(artifact, progress.validated)


def best_exit(artifact: Artifact, validated: Mapping[str, float]) -> str | None:
    """The first of the blocks that are worth most; ``None`` where that is the model's classifier."""
    measured = [block for block in artifact.blocks if block.name in validated]
    best = max(measured, key=lambda block: _worth(artifact.manifest.loss.prediction, validated[block.name]))
    return None if best.is_classifier else best.name


def _worth(prediction: str, validated: float) -> float:
    """What is better is more: accuracy, or of a regression less loss."""
    return -validated if prediction == "value" else validated
