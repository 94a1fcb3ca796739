"""Time training steps with kernels and with function bodies: blocks of the paper's network, all optimizers, batch 1 and 100.

    python -m tools.bench.kernel_speed [THREADS]

Both sides run in one process; medians of 40 steps in ms, and how many times faster kernels are. Kernels are those beside the
package (make kernels).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import tinyfoa_rt
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.kernels import KERNELS
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.run.whole_weights import pack_rows
from tinyfoa_rt.zoo import write_model

__all__ = ["build_network", "median_ms", "training_step"]

_STEPS = 40
_BLOCKS = {"784 x 2000": 0, "2000 x 2000": 1, "classifier": 4}


def main() -> None:
    """Print a row for each block, optimizer, batch and number of slices."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    print(f"threads {threads}, medians of {_STEPS} steps, ms")
    print(f"{'block':12}{'optimizer':>10}{'batch':>6}{'slices':>8}{'kernels':>9}{'bodies':>9}{'ratio':>7}")
    for optimizer in ("sgd", "momentum", "adam"):
        for m in (1, 2, 4):
            for batch in (100, 1):
                artifact = build_network(batch, m, optimizer=optimizer)
                for name, index in _BLOCKS.items():
                    runtimes = (Runtime(threads=threads, kernels=each) for each in (KERNELS, None))
                    kernels, bodies = (median_ms(training_step(artifact, index, each), _STEPS) for each in runtimes)
                    sizes = f"{name:12}{optimizer:>10}{batch:6}{f'{m}x{m}':>8}"
                    print(f"{sizes}{kernels:9.3f}{bodies:9.3f}{bodies / kernels:7.2f}", flush=True)


def build_network(batch: int, m: int, **options: str) -> Artifact:
    """The paper's fully connected network, four layers of 2000, in slices of m x m."""
    with tempfile.TemporaryDirectory() as folder:
        write_model("fc-784-10", Path(folder) / "fc.onnx")
        model = tinyfoa_rt.load(Path(folder) / "fc.onnx")
        return tinyfoa_rt.build(model, tinyfoa_rt.plan(model, "1GB", batch=batch, slices=f"{m}x{m}", **options))


def training_step(artifact: Artifact, index: int, runtime: Runtime) -> Callable[[], object]:
    """A step of a block, each time on the same random samples."""
    training = block_training(artifact, index, runtime)
    return lambda: training.step(0.1)


def block_training(artifact: Artifact, index: int, runtime: Runtime) -> BlockTraining:
    """A block that is trained, and random samples where it reads them."""
    state = ModelState(artifact.manifest, artifact.initial, is_packed=runtime.kernels is not None)
    training = BlockTraining(artifact, index, state, runtime)
    rng = np.random.default_rng(0)
    for name, array in training.inputs.items():
        bits = rng.integers(0, 2, (len(array), training.input_bits(name)))
        array[...] = rng.normal(size=array.shape) if array.dtype == np.float32 else pack_rows(bits) if state.is_packed else bits
    for scale in state.others.values():
        if not scale.shape:
            scale[...] = 1
    training.labels[...] = rng.integers(0, 10, len(training.labels))
    training.begin_turn(0)
    return training


def median_ms(step: Callable[[], object], steps: int) -> float:
    """The median time of a step, after some that warm up."""
    for _ in range(5):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


if __name__ == "__main__":
    main()
