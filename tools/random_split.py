"""Write the random split over all beats of an MIT-BIH file: the easier split that most published tables of single beats use.

    python tools/random_split.py mitbih.npz random.npz

The input has x_train, y_train, x_test, y_test by patient, and the masks random_test_train and random_test_test, which say what of
each is tested on in the random split (stratified, 80 to 20).
"""

from __future__ import annotations

import sys

import numpy as np


def main(source: str, target: str) -> None:
    """Put both parts together and take them apart by the masks."""
    with np.load(source, allow_pickle=False) as data:
        x = np.concatenate([data["x_train"], data["x_test"]])
        y = np.concatenate([data["y_train"], data["y_test"]])
        is_test = np.concatenate([data["random_test_train"], data["random_test_test"]])
    np.savez_compressed(target, x_train=x[~is_test], y_train=y[~is_test], x_test=x[is_test], y_test=y[is_test])


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
