"""What a training reads, in two lines: how many samples of which classes, and how they are normalized."""

from __future__ import annotations

from tinyfoa_rt.run.data import DataSet, Normalization

__all__ = ["data_lines"]


def data_lines(data: DataSet, normalization: Normalization | None) -> str:
    """Return what is trained on, and what becomes of its values."""
    counts = f"data: {len(data.y_train):,} samples to train, {len(data.y_test):,} to test"
    classes = f", {data.num_classes} classes" if data.num_classes else ""
    names = f": {data.label_map.text}" if data.label_map is not None else ""
    return f"{counts}{classes}{names}\nnormalization: {'none' if normalization is None else normalization.text}"
