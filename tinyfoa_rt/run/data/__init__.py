"""Data for training, from a file, a folder or scikit-learn: ``load_data("mnist/")``. Files are untrusted, and checked."""

from __future__ import annotations

from tinyfoa_rt.run.data.classes import check_classes
from tinyfoa_rt.run.data.data_set import DataSet
from tinyfoa_rt.run.data.features import chunks
from tinyfoa_rt.run.data.fit import fit_to_shape
from tinyfoa_rt.run.data.label_map import LabelMap
from tinyfoa_rt.run.data.load import load_data, load_samples
from tinyfoa_rt.run.data.normalization import Normalization
from tinyfoa_rt.run.data.some_rows import SomeRows

__all__ = [
    "DataSet", "LabelMap", "Normalization", "SomeRows", "check_classes", "chunks", "fit_to_shape", "load_data", "load_samples",
]  # fmt: skip
