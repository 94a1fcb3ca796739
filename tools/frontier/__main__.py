"""Train a small network in generated C99, and say what it reaches in how many bytes of RAM: a row of docs/RESULTS.md's frontier.

    python -m tools.frontier conv6k3,max2,conv12k3,max2 --data mnist/ --means 2 latent=int12
    python -m tools.frontier conv6k3,max2,conv12k3,max2 --data mnist/ --means 2 --test --seeds 0,1,2 --record MNIST latent=int12

The network is that line (tools/frontier/network.py) and a classifier; ``NAME=VALUE`` are options of the plan, which is for c99,
one sample a step, float weights end to end unless they say otherwise. Training runs on this computer, in the C that a device
would run, with the same bits. A part of the training set is put aside and measured; with ``--test`` all of it trains, and the
test set is measured. RAM is what the program takes of an emulated Cortex-M0: arena, all other data, and the stack by paint.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from tools.frontier.results import Row, record
from tools.frontier.samples import Samples, read_samples
from tools.frontier.training import Outcome, Recipe, measure_ram, train

_SERIES = "trained in C99"


def main() -> None:
    arguments = _arguments()
    options = dict(option.split("=", 1) for option in arguments.options)
    recipe = Recipe(arguments.network, options, arguments.epochs, arguments.rate, arguments.flips)
    held = None if arguments.test else arguments.validation
    samples = read_samples(arguments.data, means=arguments.means, first=arguments.first, validation=held)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        planned, ram = measure_ram(recipe, samples, seeds[0], Path(folder))
        print(f"{arguments.network}: planned {planned:,} bytes, all told {ram:,} on a Cortex-M0", flush=True)
        outcomes = [_train(recipe, samples, seed, Path(folder)) for seed in seeds]
    accuracies = [round(outcome.accuracy, 2) for outcome in outcomes]
    balanced = [round(outcome.balanced, 2) for outcome in outcomes]
    part = "test" if arguments.test else "validation"
    print(f"{part}: {np.mean(accuracies):.2f} %, spread {np.ptp(accuracies):.2f}, balanced {np.mean(balanced):.2f} %")
    if arguments.record:
        row = Row(arguments.record, arguments.series, arguments.network, _said(arguments), planned, ram, accuracies, balanced)
        record(row)


def _train(recipe: Recipe, samples: Samples, seed: int, folder: Path) -> Outcome:
    begin = time.monotonic()
    outcome = train(recipe, samples, seed, folder)
    took = f"{time.monotonic() - begin:.0f} s"
    print(f"seed {seed}: {outcome.accuracy:.2f} %, balanced {outcome.balanced:.2f} %, {took}", flush=True)
    return outcome


def _said(arguments: argparse.Namespace) -> str:
    """Options of the command that make the row, as they would be typed; seeds and data aside."""
    chosen = [f"--{name} {value}" for name in ("means", "first", "epochs", "rate") if (value := getattr(arguments, name))]
    return " ".join([*chosen, *(["--flips"] if arguments.flips else []), *arguments.options])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="layers, such as conv6k3,max2,conv12k3,max2")
    parser.add_argument("options", nargs="*", metavar="NAME=VALUE", help="of the plan, such as latent=int12")
    parser.add_argument("--data", required=True)
    parser.add_argument("--means", type=int, default=1, help="so many pixels along each axis become one before all else")
    parser.add_argument("--first", type=int, help="samples of the training set that are used; default: all")
    parser.add_argument("--validation", type=int, default=10000, help="samples put aside (default 10000)")
    parser.add_argument("--test", action="store_true", help="train on all samples, and measure the test set")
    parser.add_argument("--epochs", type=int, default=10, help="of each block (default 10)")
    parser.add_argument("--rate", type=float, default=1.0, help="times the recipe's")
    parser.add_argument("--flips", action="store_true", help="mirror half of the images, anew in each epoch")
    parser.add_argument("--seeds", default="0", help="of weights and orders, such as 0,1,2")
    parser.add_argument("--record", metavar="SET", help="write the row to docs/frontier.json under this name of the set")
    parser.add_argument("--series", default=_SERIES, help="what the row shows, in the chart's legend")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    main()
