"""Train mlp-784-256-256-10 on MNIST with the exported C99, here or on an emulated board, and print what docs/RESULTS.md holds.

    python -m tools.mnist_on_c99 MNIST_FOLDER [--platform x86-64|avx2|cortex-m7|onnxruntime|...] [--steps N] [--ram SIZE]

The plan is for the RAM that is left of --ram when 16 KB are kept for the stack and the program's own data. Samples come in one
shuffled order, again and again (seed 0); the rate of each block falls to zero by a cosine. Every platform gives the same bits:
compare the digest of the storage.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.c99.exported import Run, run_driver, run_trainer
from tests.c99.platforms import PLATFORMS
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.pipeline.building import build
from tinyfoa_rt.pipeline.exporting import c_source, export
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.units import parse_nbytes
from tinyfoa_rt.zoo import write_model

_RESERVED = 16 * 1024


def main() -> None:
    """Plan, build, export, compile, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--platform", default="x86-64")
    parser.add_argument("--steps", type=int, default=30000)
    parser.add_argument("--ram", default="256KB")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--turn", type=int, default=1)
    parser.add_argument("--test", type=int, default=10000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model("mlp-784-256-256-10", folder / "net.onnx")
        model = load(folder / "net.onnx")
        planned = plan(model, parse_nbytes(arguments.ram) - _RESERVED, target="c99", batch=arguments.batch)
        artifact = build(model, planned)
        artifact.save(folder / "artifact")
        export(folder / "artifact", folder / "project")
        source = c_source(artifact, artifact.initial, {})
        rates = tuple(block.starting_rate for block in source.blocks)
        run = _run(arguments, rates)
        start = time.perf_counter()
        if arguments.platform == "onnxruntime":
            outcome = run_trainer(artifact, run)
        else:
            platform = next(each for each in PLATFORMS if each.name == arguments.platform)
            outcome = run_driver(folder, artifact, run, platform, is_mapped=True, timeout=36000)
        seconds = time.perf_counter() - start
    grids = ", ".join(f"{block.name} {block.slices[0]}x{block.slices[1]}" for block in planned.blocks)
    sizes = f"arena {planned.peak_bytes:,} bytes, batch {planned.batch}, {grids}"
    print(f"{arguments.platform}: {sizes}, {arguments.steps} steps a block, {seconds:.0f} s")
    print(f"  right {outcome.num_right} of {arguments.test}, stack {outcome.stack_nbytes} bytes, ticks a step {outcome.ticks}")
    print(f"  storage {hashlib.sha256(outcome.storage).hexdigest()[:16]}")


def _run(arguments: argparse.Namespace, rates: tuple[float, ...]) -> Run:
    data = load_data(arguments.data)
    assert data.normalization is not None
    x, x_test = (data.normalization.apply(each).reshape(len(each), -1) for each in (data.x_train, data.x_test[: arguments.test]))
    order = np.random.default_rng(0).permutation(len(x))
    y, y_test = data.y_train[order], data.y_test[: arguments.test]
    return Run(x[order], y, 250, arguments.steps, arguments.turn, rates, True, x_test, y_test)


if __name__ == "__main__":
    main()
