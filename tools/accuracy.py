"""Train a model of the zoo with several seeds; print accuracies on the test set and the plan's RAM, as a row of docs/RESULTS.md.

    python tools/accuracy.py mlp-784-256-256-10 --data MNIST_FOLDER --budget 256KB --epochs 30 --seeds 0,1,2

Seeds are those of the order of samples and of the heads; initial weights are the zoo's. Options of the plan come last, as
``name=value``: ``batch=100 slices=2x2 binarize=none``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import tinyfoa_rt
from tinyfoa_rt.run.data import DataSet, load_data
from tinyfoa_rt.zoo import write_model


def main() -> None:
    """Run one experiment and print its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--budget", required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--samples", type=int, help="train on the first so many samples only")
    parser.add_argument("--sampling", default="uniform", help="uniform, sqrt or balanced")
    parser.add_argument("--pool-input", type=int, default=1, help="means of so many pixels along each axis in front of the model")
    parser.add_argument("--threads", type=int)
    parser.add_argument("options", nargs="*", metavar="name=value")
    arguments = parser.parse_intermixed_args()
    data = load_data(arguments.data)
    options = dict(option.split("=", 1) for option in arguments.options)
    runs = [_train(arguments, data, options, int(seed)) for seed in arguments.seeds.split(",")]
    accuracies, balanced, seconds, peaks = zip(*runs)
    spread = f" (spread {max(accuracies) - min(accuracies):.2%})" if len(runs) > 1 else ""
    given = [f"--sampling {arguments.sampling}", f"--pool-input {arguments.pool_input}"]
    options_of_run = " ".join([*given, *arguments.options])
    print(f"{arguments.model} {options_of_run}, {arguments.epochs} epochs, seeds {arguments.seeds}: ", end="")
    print(
        f"accuracy {statistics.mean(accuracies):.2%}{spread}, balanced {statistics.mean(balanced):.2%}, {peaks[0]:,} bytes, ",
        end="",
    )
    print(f"{statistics.mean(seconds):.0f} s a run", flush=True)


def _train(arguments: Any, data: DataSet, options: dict[str, str], seed: int) -> tuple[float, float, float, int]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_model(arguments.model, path, pool_input=arguments.pool_input)
        model = tinyfoa_rt.load(path)
    planning: dict[str, Any] = {name: int(given) if given.isdecimal() else given for name, given in options.items()}
    x, y = (each[: arguments.samples] for each in (data.x_train, data.y_train))
    plan = tinyfoa_rt.plan(model, arguments.budget, labels=y, seed=seed, **planning)
    trainer = tinyfoa_rt.Trainer(tinyfoa_rt.build(model, plan), threads=arguments.threads)
    start = time.perf_counter()
    settings = {"epochs": arguments.epochs, "seed": seed, "sampling": arguments.sampling}
    trainer.fit(x, y, normalization=data.normalization, **settings)
    seconds = time.perf_counter() - start
    result = trainer.evaluate(data.x_test, data.y_test)
    assert result.accuracy is not None and result.balanced_accuracy is not None
    return result.accuracy, result.balanced_accuracy, seconds, plan.peak_bytes


if __name__ == "__main__":
    main()
