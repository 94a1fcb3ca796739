"""Train a pretrained model by backpropagation in PyTorch, to put beside what blocks reach that learn one at a time.

    python -m tools.backpropagation_accuracy resnet8.onnx --data inverted.npz [--train all] [--optimizer adam] [--rate 0.001]

Pixels are taken as they are stored, weights from the file; the loss is that of the model's output before its Softmax. Rates go
down to zero along a cosine. The memory is what a plan counts for backpropagation through all layers (docs/accounts.md). Needs
torch beside the project's own dependencies: pip install torch==2.13.0
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

import tinyfoa_rt
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.partition import partition, select_blocks
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.run.data.fit import fit_to_shape
from tools.torch_graph import TorchNode, run_nodes

_TEST_BATCH = 250


class TorchModel:
    """A loaded model up to its score; ``parameters`` are weights and biases of the layers of the chosen blocks."""

    def __init__(self, graph: Graph, train: str) -> None:
        parts = partition(graph)
        chosen = select_blocks(parts.blocks, train)
        self._score = parts.blocks[-1].output
        self._input = graph.inputs[0]
        self._values = {name: torch.from_numpy(np.array(constant.read())) for name, constant in graph.constants.items()}
        layers = [layer for block in parts.blocks if block.name in chosen for layer in block.layers]
        names = [name for layer in layers for name in (layer.weight, layer.bias) if name is not None]
        self.parameters = [self._values[name].requires_grad_() for name in names]
        kept = []
        for node in graph.nodes:
            kept.append(TorchNode(node.op_type, node.inputs, node.outputs[0], node.attributes, graph.shape(node.outputs[0])))
            if self._score in node.outputs:
                break
        self._nodes = kept

    def scores(self, x: NDArray[Any]) -> Any:
        values = {**self._values, self._input: torch.from_numpy(np.ascontiguousarray(x))}
        return run_nodes(self._nodes, values)[self._score].flatten(1)

    def accuracy(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        with torch.no_grad():
            right = sum(
                int((self.scores(x[at : at + _TEST_BATCH]).argmax(1).numpy() == y[at : at + _TEST_BATCH]).sum())
                for at in range(0, len(x), _TEST_BATCH)
            )
        return right / len(x)


def main() -> None:
    """Train and print one row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--train", default="all", metavar="all|last:K", help="what learns; the error passes through no more")
    parser.add_argument("--optimizer", default="adam", choices=("adam", "sgd", "momentum"))
    parser.add_argument("--rate", type=float, default=0.001)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    graph = tinyfoa_rt.load(arguments.model)
    data = load_data(arguments.data)
    x, x_test = (fit_to_shape(each, graph.shape(graph.inputs[0])).astype(np.float32) for each in (data.x_train, data.x_test))
    model = TorchModel(graph, arguments.train)
    before = model.accuracy(x_test, data.y_test)
    start = time.perf_counter()
    _train(model, x, data.y_train, arguments)
    seconds = time.perf_counter() - start
    chosen = {"batch": arguments.batch, "optimizer": arguments.optimizer, "train": arguments.train}
    peak = tinyfoa_rt.plan(graph, "64GB", **chosen, binarize="none").baselines["bp_float"].peak_bytes
    print(f"{graph.name}, {arguments.train}, {arguments.optimizer}, rate {arguments.rate:g}, batch {arguments.batch}, ", end="")
    print(f"{arguments.epochs} epochs, seed {arguments.seed}: accuracy {before:.2%} before, ", end="")
    print(f"{model.accuracy(x_test, data.y_test):.2%} after, {seconds:.0f} s", flush=True)
    if arguments.train == "all":
        print(f"planned RAM of backpropagation: {peak:,} bytes", flush=True)


def _train(model: TorchModel, x: NDArray[Any], y: NDArray[Any], arguments: argparse.Namespace) -> None:
    rng = np.random.default_rng(arguments.seed)
    momentum = {"momentum": 0.9} if arguments.optimizer == "momentum" else {}
    kind = torch.optim.Adam if arguments.optimizer == "adam" else torch.optim.SGD
    optimizer = kind(model.parameters, lr=arguments.rate, **momentum)
    total = arguments.epochs * (len(x) // arguments.batch)
    for step in range(total):
        place = step % (len(x) // arguments.batch)
        if place == 0:
            order = rng.permutation(len(x))
        rows = order[place * arguments.batch : (place + 1) * arguments.batch]
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * (1 + math.cos(math.pi * step / total)) / 2
        optimizer.zero_grad()
        functional.cross_entropy(model.scores(x[rows]), torch.from_numpy(y[rows].astype(np.int64))).backward()
        optimizer.step()


if __name__ == "__main__":
    main()
