"""Time one training step of a 2000 x 2000 layer: ours on stock onnxruntime against PyTorch eager with autograd and Adam.

    python tools/bench/training_speed.py [THREADS]

The PyTorch step is what the method's description says, written the plain way: binarize the whole layer, forward, loss of a fixed
random head, autograd, a mask for the frozen slice, Adam on all weights. Both sides run in one process with the same number of
threads; medians of 50 steps and their ratio. Needs torch, which the project itself does not.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

import tinyfoa_rt
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.zoo import write_model

_UNITS = 2000
_STEPS = 50


def main() -> None:
    """Print a row for each batch and number of slices."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        write_model("fc-784-10", Path(folder) / "fc.onnx")
        model = tinyfoa_rt.load(Path(folder) / "fc.onnx")
    print(f"threads {threads}, medians of {_STEPS} steps, ms")
    print(f"{'batch':>6}{'slices':>8}{'ours':>9}{'PyTorch':>9}{'ratio':>8}")
    for batch in (100, 1):
        eager = _median(_torch_step(batch))
        for m in (2, 4):
            ours = _median(_our_step(model, batch, m, threads))
            print(f"{batch:6}{f'{m}x{m}':>8}{ours:9.2f}{eager:9.2f}{eager / ours:8.1f}", flush=True)


def _median(step: Callable[[], object]) -> float:
    for _ in range(5):
        step()
    times = []
    for _ in range(_STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def _our_step(model: tinyfoa_rt.Graph, batch: int, m: int, threads: int) -> Callable[[], object]:
    plan = tinyfoa_rt.plan(model, "1GB", batch=batch, slices=f"{m}x{m}")
    artifact = tinyfoa_rt.build(model, plan)
    state = ModelState(artifact.manifest, artifact.initial)
    training = BlockTraining(artifact, 1, state, Runtime(threads=threads))
    rng = np.random.default_rng(0)
    for array in training.inputs.values():
        array[...] = rng.integers(0, 2, array.shape)
    for scale in state.others.values():
        if not scale.shape:
            scale[...] = 1
    training.target[...] = rng.integers(0, 10, batch)
    training.begin_turn(0)
    return lambda: training.step(0.1)


def _torch_step(batch: int) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.empty(_UNITS, _UNITS).uniform_(-0.05, 0.05, generator=generator))
    bias = nn.Parameter(torch.zeros(_UNITS))
    head = torch.randint(0, 2, (10, _UNITS), generator=generator).float() * 2 - 1
    mask = torch.ones(_UNITS, _UNITS)
    mask[: _UNITS // 2, : _UNITS // 2] = 0
    x = torch.randint(0, 2, (batch, _UNITS), generator=generator).float()
    y = torch.randint(0, 10, (batch,), generator=generator)
    optimizer = torch.optim.Adam([weight, bias], lr=1e-3)

    def step() -> None:
        alpha = weight.abs().mean()
        signs = weight + (weight.sign() - weight).detach()
        z = alpha.detach() * (x @ signs.T) + bias
        h = torch.relu(z)
        bits = z.abs().mean().detach() * (h > 0).float()
        loss = nn.functional.cross_entropy((h + (bits - h).detach()) @ head.T * (2 / _UNITS) ** 0.5, y)
        optimizer.zero_grad()
        loss.backward()
        assert weight.grad is not None
        weight.grad *= mask
        optimizer.step()
        with torch.no_grad():
            weight.clamp_(-1, 1)

    return step


if __name__ == "__main__":
    main()
