"""What was measured on test samples and on those that were held back, in lines."""

from __future__ import annotations

from tinyfoa_rt.run.evaluation import Evaluation
from tinyfoa_rt.run.progress import Progress

__all__ = ["evaluation_line", "validation_lines"]


def evaluation_line(result: Evaluation, num_samples: int) -> str:
    """Return the measures over ``num_samples`` test samples."""
    parts = [f"loss {result.loss:.4f}"]
    if result.accuracy is not None and result.balanced_accuracy is not None:
        parts = [f"accuracy {result.accuracy:.2%}", f"balanced accuracy {result.balanced_accuracy:.2%}", *parts]
    return f"test, {num_samples:,} samples: {', '.join(parts)}"


def validation_lines(progress: Progress, prediction: str) -> list[str]:
    """Return what each block was worth by itself, and which one predicts where the model ends at the best; nothing without.

    ``prediction`` is that of the loss: of a regression losses were measured.
    """
    if not progress.validated:
        return []
    form = "loss {:.4f}" if prediction == "value" else "{:.2%}"
    found = {name: form.format(value) for name, value in progress.validated.items()}
    lines = [f"validation: {', '.join(f'{name} {value}' for name, value in found.items())}"]
    if progress.exit in found:
        lines.append(f"block {progress.exit} ({found[progress.exit]}) predicts; blocks after it are left out")
    return lines
