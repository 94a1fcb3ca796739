"""What was measured on test samples, in a line."""

from __future__ import annotations

from tinyfoa_rt.run.evaluation import Evaluation

__all__ = ["evaluation_line"]


def evaluation_line(result: Evaluation, num_samples: int) -> str:
    """Return the measures over ``num_samples`` test samples."""
    parts = [f"loss {result.loss:.4f}"]
    if result.accuracy is not None and result.balanced_accuracy is not None:
        parts = [f"accuracy {result.accuracy:.2%}", f"balanced accuracy {result.balanced_accuracy:.2%}", *parts]
    return f"test, {num_samples:,} samples: {', '.join(parts)}"
