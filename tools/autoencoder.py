"""Train an autoencoder from scratch, end to end, here and in PyTorch, in equal steps: what it reconstructs, and finds.

    python -m tools.autoencoder ad01.onnx [--epochs 20] [--batch 16] [--optimizer adam] [--rate 1] [--seed 0]

The toy task: 4,000 sounds of a machine, frames of 640 numbers, are points of a 3-dimensional surface, x = sin(A z + b), with z
normal, and A and b drawn once; 1,000 others are held back. An anomaly is a sound of a machine that has changed: A is replaced by
0.6 A + 0.8 B, with B drawn as A was. What is reconstructed badly is taken for an anomaly; AUC is the share of pairs, one normal
and one not, in which the second is reconstructed worse. Weights begin as He et al. (2015) draw them, biases at 0, on both
sides alike. PyTorch trains by Adam; both let the rate fall along half a cosine. Needs torch beside what the project needs.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch.nn import functional

import tinyfoa_rt
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.partition import partition
from tinyfoa_rt.run.sample_order import SampleOrder
from tools.backpropagation_accuracy import TorchModel

Array = NDArray[np.float32]
_LATENT, _TRAIN, _TEST = 3, 4000, 1000


def toy_sounds(num_inputs: int, seed: int) -> tuple[Array, Array, Array]:
    """Sounds to train on, others like them, and anomalies, (N, num_inputs) each."""
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(0, 1 / math.sqrt(_LATENT), (_LATENT, num_inputs)) for _ in range(2))
    phase = rng.uniform(0, 2 * math.pi, num_inputs)

    def sounds(matrix: NDArray[Any], count: int) -> Array:
        found: Array = np.sin(rng.normal(size=(count, _LATENT)) @ matrix + phase).astype(np.float32)
        return found

    return sounds(a, _TRAIN), sounds(a, _TEST), sounds(0.6 * a + 0.8 * b, _TEST)


def redrawn(path: str, folder: Path, seed: int) -> Graph:
    """The model of a file with new weights."""
    rng = np.random.default_rng(seed)
    model = onnx.load(path)
    graph = tinyfoa_rt.load(path)
    for layer in (layer for block in partition(graph).blocks for layer in block.layers):
        weight = rng.normal(0, math.sqrt(2 / layer.in_features), graph.shape(layer.weight)).astype(np.float32)
        for name, values in ((layer.weight, weight), (layer.bias, np.zeros(layer.out_features, np.float32))):
            for each in model.graph.initializer:
                if each.name == name:
                    each.CopyFrom(numpy_helper.from_array(values.reshape(each.dims), name))
    onnx.save(model, folder / "redrawn.onnx")
    return tinyfoa_rt.load(folder / "redrawn.onnx")


def areas(normal: NDArray[Any], anomalous: NDArray[Any]) -> float:
    """AUC of errors (N,) of normal and of anomalous samples; equal ones count half."""
    both = np.concatenate([normal, anomalous])
    place, counts = np.unique(both, return_inverse=True, return_counts=True)[1:]
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place[len(normal) :]]
    return float((ranks.sum() - len(ranks) * (len(ranks) + 1) / 2) / (len(normal) * len(ranks)))


def report(what: str, reconstruct: Any, test: Array, anomalies: Array) -> float:
    """Print one row; return the mean squared error of normal sounds."""
    errors = [np.square(reconstruct(x) - x).mean(axis=1) for x in (test, anomalies)]
    print(f"{what}: error {errors[0].mean():.5f}, of anomalies {errors[1].mean():.5f}, AUC {areas(*errors):.4f}", flush=True)
    return float(errors[0].mean())


def main() -> None:
    """Train both and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--rate", type=float, default=1.0, help="a factor, as of tinyfoa-rt train")
    parser.add_argument("--torch-rate", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        _compare(redrawn(arguments.model, Path(folder), arguments.seed), arguments)


def _compare(graph: Graph, arguments: argparse.Namespace) -> None:
    train, test, anomalies = toy_sounds(graph.values[graph.inputs[0]].size, arguments.seed)
    chosen = {"binarize": "none", "block_layers": "all", "batch": arguments.batch, "optimizer": arguments.optimizer}
    planned = tinyfoa_rt.plan(graph, "16MB", **chosen)
    trainer = tinyfoa_rt.Trainer(tinyfoa_rt.build(graph, planned), threads=1)
    report("before", trainer.scores, test, anomalies)
    trainer.fit(train, train, normalization=None, epochs=arguments.epochs, rate=arguments.rate, seed=arguments.seed)
    here = report(f"here, {arguments.optimizer}, {planned.peak_bytes:,} bytes", trainer.scores, test, anomalies)
    model = TorchModel(graph, "all")
    _train(model, train, arguments)

    def reconstruct(x: Array) -> Array:
        with torch.no_grad():
            found: Array = model.scores(x).numpy()
        return found

    there = report(f"PyTorch, adam, rate {arguments.torch_rate:g}", reconstruct, test, anomalies)
    print(
        f"{arguments.epochs} epochs in batches of {arguments.batch}, seed {arguments.seed}: {here / there:.3f} of PyTorch's error"
    )


def _train(model: TorchModel, x: Array, arguments: argparse.Namespace) -> None:
    """The same samples in the same order."""
    optimizer = torch.optim.Adam(model.parameters, lr=arguments.torch_rate)
    order = SampleOrder(x, arguments.batch, (arguments.seed, 0))
    for epoch in range(arguments.epochs):
        for step, rows in enumerate(order.epoch(epoch)):
            done = (epoch * order.num_batches + step) / (arguments.epochs * order.num_batches)
            for group in optimizer.param_groups:
                group["lr"] = arguments.torch_rate * (1 + math.cos(math.pi * done)) / 2
            optimizer.zero_grad()
            functional.mse_loss(model.scores(x[rows]), torch.from_numpy(x[rows])).backward()
            optimizer.step()


if __name__ == "__main__":
    main()
