"""Plain steps by the recipe's formula beside steps in proportion to the weights: accuracies on held-back training data.

    python -m tools.rate_law --data DIR [--cases mnist-256,ecg-conv] [--options batch=10 batch=100,binarize=none]
        [--columns sgd*1,normalized*1,normalized*2] [--drawn 58000]

DIR holds the folders ``mnist`` and ``cifar10`` and the file ``mitbih.npz``. A row is a network and a set of options, among them
``samples`` and ``epochs``; a column is an optimizer and a factor on its rate. Test sets are not read: of the training samples
that are drawn the last 8,000 are held back, or a fifth, and cells are percentages of those that are classified correctly.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinyfoa_rt
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.run.data.normalization import Normalization
from tinyfoa_rt.zoo.build import assemble, lay_out
from tinyfoa_rt.zoo.spec import LayerSpec, ModelSpec

Array = NDArray[Any]
_HELD_BACK = 8000


@dataclass(frozen=True)
class Case:
    """A network, its data, and how long it learns; ``pool`` pixels along each axis are one."""

    layers: tuple[LayerSpec, ...]
    input_shape: tuple[int, ...]
    data: str
    samples: int
    epochs: int
    pool: int = 1


def _dense(*units: int) -> tuple[LayerSpec, ...]:
    layers: list[LayerSpec] = []
    for number, width in enumerate(units[:-1], 1):
        layers += [LayerSpec("dense", f"fc{number}", None, {"units": width}), LayerSpec("relu", f"relu{number}", None, {})]
    return (*layers, LayerSpec("dense", "classifier", None, {"units": units[-1]}))


def _conv(classes: int, kernel: tuple[int, int], stride: tuple[int, int], *channels: int) -> tuple[LayerSpec, ...]:
    layers: list[LayerSpec] = []
    window = {"kernel": [*kernel], "strides": [*stride], "pads": [size // 2 for size in (*kernel, *kernel)]}
    for number, width in enumerate(channels, 1):
        layers.append(LayerSpec("conv", f"conv{number}", None, {"channels": width, **window}))
        layers.append(LayerSpec("relu", f"relu{number}", None, {}))
    return (*layers, LayerSpec("flatten", "flatten", None, {}), LayerSpec("dense", "classifier", None, {"units": classes}))


CASES: Mapping[str, Case] = {
    "mnist-32": Case(_dense(32, 10), (196,), "mnist", 10_000, 3, pool=2),
    "mnist-256": Case(_dense(256, 256, 10), (784,), "mnist", 10_000, 2),
    "mnist-500": Case(_dense(500, 500, 10), (784,), "mnist", 10_000, 2),
    "mnist-cnn": Case(_conv(10, (3, 3), (2, 2), 16, 32), (1, 28, 28), "mnist", 5_000, 2),
    "ecg-dense": Case(_dense(128, 128, 5), (169,), "mitbih.npz", 10_000, 2),
    "ecg-conv": Case(_conv(5, (1, 7), (1, 2), 16, 32), (1, 1, 169), "mitbih.npz", 10_000, 2),
    "cifar-500": Case(_dense(500, 500, 10), (3072,), "cifar10", 6_000, 2),
    "cifar-cnn": Case(_conv(10, (3, 3), (2, 2), 32, 64, 128), (3, 32, 32), "cifar10", 6_000, 2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--options", nargs="*", default=["batch=10"], help="sets of options, each name=value,name=value")
    parser.add_argument("--columns", default="sgd*1,normalized*1", help="optimizers and factors on their rates")
    parser.add_argument("--drawn", type=int, default=58_000, help="training samples that are drawn, at most")
    arguments = parser.parse_args()
    columns = [(name, float(rate)) for name, rate in (column.split("*") for column in arguments.columns.split(","))]
    print("| case | " + " | ".join(f"{name} x {rate:g}" for name, rate in columns) + " |")
    print("|---" * (len(columns) + 1) + "|", flush=True)
    for name in arguments.cases.split(","):
        samples = _samples(arguments.data, name, arguments.drawn)
        for text in arguments.options:
            given: dict[str, Any] = dict(option.split("=", 1) for option in text.split(","))
            cells = [f"{_accuracy(CASES[name], samples, given, column):.2f}" for column in columns]
            print(f"| {name} {text} | {' | '.join(cells)} |", flush=True)


def _accuracy(case: Case, samples: tuple[Array, Array], given: Mapping[str, Any], column: tuple[str, float]) -> float:
    x, y = samples
    planning = {"slices": "1x1", **given, "batch": int(given["batch"]), "optimizer": column[0]}
    count, epochs = int(planning.pop("samples", case.samples)), int(planning.pop("epochs", case.epochs))
    model = _model(case)
    trainer = tinyfoa_rt.Trainer(tinyfoa_rt.build(model, tinyfoa_rt.plan(model, "64MB", **planning)), threads=1)
    normalization = Normalization(float(x[:count].mean()), float(x[:count].std()))
    trainer.fit(x[:count], y[:count], normalization=normalization, epochs=epochs, rate=column[1])
    held = min(_HELD_BACK, len(y) // 5)
    accuracy = trainer.evaluate(x[-held:], y[-held:]).accuracy
    assert accuracy is not None
    return 100 * accuracy


def _model(case: Case) -> Any:
    spec = ModelSpec("net", "net", case.input_shape, 7, case.layers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(assemble(spec, lay_out(spec, "net")).SerializeToString())
        return tinyfoa_rt.load(path)


@cache
def _samples(folder: Path, name: str, drawn: int) -> tuple[Array, Array]:
    """Training samples in a fixed random order."""
    case = CASES[name]
    data = load_data(str(folder / case.data))
    order = np.random.default_rng(1).permutation(len(data.y_train))[-drawn:]
    x = data.x_train[order].astype(np.float32)
    if case.pool > 1:
        side = round(x[0].size ** 0.5)
        x = x.reshape(len(x), side // case.pool, case.pool, side // case.pool, case.pool).mean(axis=(2, 4))
    return np.ascontiguousarray(x.reshape(len(x), *case.input_shape), np.float32), data.y_train[order]


if __name__ == "__main__":
    main()
