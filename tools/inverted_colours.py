"""Write a shifted task for fine-tuning: CIFAR-10 with inverted colours, which a network trained on the others knows half.

    python tools/inverted_colours.py --data CIFAR_FOLDER -o inverted.npz [--train 10000] [--test 2000]

Images are taken in order.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.run.data import load_data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--train", type=int, default=10_000, help="the first so many images")
    parser.add_argument("--test", type=int, default=2000)
    arguments = parser.parse_args()
    data = load_data(arguments.data)
    parts = {"train": (data.x_train, data.y_train, arguments.train), "test": (data.x_test, data.y_test, arguments.test)}
    arrays: dict[str, NDArray[Any]] = {}
    for name, (x, y, count) in parts.items():
        arrays |= {f"x_{name}": 255 - x[:count], f"y_{name}": y[:count]}
    np.savez(arguments.output, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
