"""Train a model of the zoo in C and on onnxruntime, the same steps on the same samples, and count the signs that differ.

python -m tools.signs_on_c99 mlp-784-256-256-10 --data MNIST --budget 240KB --steps 1000 --batch 1 --turn 10
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from tests.c99.exported import Device
from tests.c99.trained_pair import Pair, exported
from tinyfoa_rt.model import load
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.zoo import write_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--budget", default="240KB")
    parser.add_argument("--steps", type=int, default=1000, help="of each block")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--turn", type=int, default=10, help="steps that a slice stays")
    arguments = parser.parse_args()
    data = load_data(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_model(arguments.model, path)
        artifact, state, model = exported(load(path), Path(folder), arguments.budget, batch=arguments.batch)
        pair = Pair(artifact, state, Device(model).start(arguments.turn), arguments.turn)
        rows = np.random.default_rng(0).permutation(len(data.y_train))[: arguments.steps * arguments.batch]
        shape = (arguments.steps, arguments.batch, *artifact.manifest.input_shape[1:])
        x = data.normalization.apply(data.x_train[rows]).reshape(shape).astype(np.float32)
        y = data.y_train[rows].reshape(arguments.steps, arguments.batch)
        for index, block in enumerate(model.source.blocks):
            losses = pair.train_block(index, x, y, (block.starting_rate, block.starting_rate))
            apart = np.flatnonzero(np.abs(losses[:, 1] / losses[:, 0] - 1) > 1e-4)
            since = f"losses apart by 1e-4 from step {apart[0]}" if apart.size else "losses within 1e-4"
            for layer in artifact.blocks[index].layers:
                ours, expected = pair.device.weights(layer.name), pair.state.layers[layer.name].weight
                differ = int(((ours >= 0) != (expected >= 0)).sum())
                print(f"{layer.name}: {differ} of {expected.size:,} signs differ, {since}", flush=True)
            pair.device.next_block()


if __name__ == "__main__":
    main()
