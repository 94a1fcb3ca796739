"""Time training: kernels, function bodies, and PyTorch eager with autograd and Adam, a step of 2000 x 2000, then an epoch.

    python -m tools.bench.training_speed [THREADS]

The PyTorch step is what the method's description says, written the plain way: binarize the whole layer, forward, loss of a fixed
random head, autograd, a mask for the frozen slice, Adam on all weights. The epoch is over the four hidden layers of the paper's
network, one after another, on 6,000 random samples in batches of 100: PyTorch runs the layers before anew for each batch, as the
authors do; ours fills its cache, and slices take turns every step. All sides run in one process with the same number of
threads; medians of 50 steps, one epoch, and ratios. Kernels are those beside the package (make kernels). Needs torch, which the
project itself does not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from tinyfoa_rt.run.kernels import KERNELS
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.run.trainer import Trainer
from tools.bench.kernel_speed import build_network, median_ms, training_step

_UNITS = 2000
_STEPS = 50
_LAYERS = 4
_SAMPLES = 6000
_BATCH = 100
_HEADING = f"{'batch':>6}{'slices':>8}{'kernels':>9}{'bodies':>9}{'PyTorch':>9}  k/bodies k/PyTorch b/PyTorch"


def main() -> None:
    """Print a row for each batch and number of slices."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    print(f"threads {threads}, medians of {_STEPS} steps, ms")
    print(_HEADING)
    for batch in (100, 1):
        eager = median_ms(_torch_step(batch), _STEPS)
        for m in (2, 4):
            runtimes = (Runtime(threads=threads, kernels=each) for each in (KERNELS, None))
            ours = [median_ms(training_step(build_network(batch, m), 1, each), _STEPS) for each in runtimes]
            _print_row(batch, m, ours, eager)
    print(f"\nan epoch of {_SAMPLES:,} samples over {_LAYERS} layers, s")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(_SAMPLES, 784)).astype(np.float32), rng.integers(0, 10, _SAMPLES)
    print(_HEADING)
    eager = _torch_epoch(x, y)
    for m in (2, 4):
        artifact = build_network(_BATCH, m)
        ours = [_our_epoch(Trainer(artifact, threads=threads, kernels=each), x, y) for each in (KERNELS, None)]
        _print_row(_BATCH, m, ours, eager)


def _print_row(batch: int, m: int, ours: list[float], eager: float) -> None:
    """Times of the three sides; how many times faster kernels are than bodies and than PyTorch, and bodies than PyTorch."""
    kernels, bodies = ours
    times = f"{kernels:9.2f}{bodies:9.2f}{eager:9.2f}"
    print(f"{batch:6}{f'{m}x{m}':>8}{times}{bodies / kernels:10.1f}{eager / kernels:10.1f}{eager / bodies:10.1f}", flush=True)


def _our_epoch(trainer: Trainer, x: np.ndarray, y: np.ndarray) -> float:
    after = trainer.artifact.blocks[_LAYERS].name
    start = time.perf_counter()
    for report in trainer.iterate(x, y, normalization=None, epochs=1):
        if report.block == after:
            break
    return time.perf_counter() - start


class _TorchLayer:
    """One layer as the method's description has it, and its training step."""

    def __init__(self, num_inputs: int, generator: torch.Generator) -> None:
        self.weight = nn.Parameter(torch.empty(_UNITS, num_inputs).uniform_(-0.05, 0.05, generator=generator))
        self.bias = nn.Parameter(torch.zeros(_UNITS))
        self.head = torch.randint(0, 2, (10, _UNITS), generator=generator).float() * 2 - 1
        self.mask = torch.ones(_UNITS, num_inputs)
        self.mask[: _UNITS // 2, : num_inputs // 2] = 0
        self.optimizer = torch.optim.Adam([self.weight, self.bias], lr=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        alpha = self.weight.abs().mean()
        signs = self.weight + (self.weight.sign() - self.weight).detach()
        z = alpha.detach() * (x @ signs.T) + self.bias
        h = torch.relu(z)
        bits = z.abs().mean().detach() * (h > 0).float()
        return h + (bits - h).detach()

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        loss = nn.functional.cross_entropy(self.forward(x) @ self.head.T * (2 / _UNITS) ** 0.5, y)
        self.optimizer.zero_grad()
        loss.backward()
        assert self.weight.grad is not None
        self.weight.grad *= self.mask
        self.optimizer.step()
        with torch.no_grad():
            self.weight.clamp_(-1, 1)


def _torch_step(batch: int) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    layer = _TorchLayer(_UNITS, generator)
    x = torch.randint(0, 2, (batch, _UNITS), generator=generator).float()
    y = torch.randint(0, 10, (batch,), generator=generator)
    return lambda: layer.step(x, y)


def _torch_epoch(x: np.ndarray, y: np.ndarray) -> float:
    generator = torch.Generator().manual_seed(0)
    layers = [_TorchLayer(784 if index == 0 else _UNITS, generator) for index in range(_LAYERS)]
    samples, labels = torch.from_numpy(x), torch.from_numpy(y)
    start = time.perf_counter()
    for index, layer in enumerate(layers):
        for first in range(0, _SAMPLES, _BATCH):
            h = samples[first : first + _BATCH]
            with torch.no_grad():
                for before in layers[:index]:
                    h = before.forward(h)
            layer.step(h, labels[first : first + _BATCH])
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
