"""The digits inside scikit-learn: 1,797 images of 8 x 8, enough for a first look without a download."""

from __future__ import annotations

import numpy as np

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.run.data.data_set import DataSet, Part, split

__all__ = ["load_digits"]


def load_digits() -> DataSet:
    """Return x (N, 8, 8) uint8 from 0 to 16, 10 classes; a fifth of each class is held back (see ``split_stratified``).

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise UsageError("data 'digits'", "needs scikit-learn, which is not installed", "pip install scikit-learn") from error
    digits = datasets.load_digits()
    return split("digits", Part("digits", digits.images.astype(np.uint8), digits.target))
