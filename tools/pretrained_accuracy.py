"""Print what the weights of a pretrained image model give on a test set, through the inference graph that training begins with.

    python tools/pretrained_accuracy.py MODEL.onnx --data CIFAR_FOLDER [--samples 2000] [--train last:1]

Pixels are 0 to 255, as stored; they are turned to the order that the model's input has, channels first or last.
"""

from __future__ import annotations

import argparse

import numpy as np

import tinyfoa_rt
from tinyfoa_rt.run.data import load_data


def main() -> None:
    """Evaluate without training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--train", default="last:1")
    arguments = parser.parse_args()
    model = tinyfoa_rt.load(arguments.model)
    plan = tinyfoa_rt.plan(model, "1GB", train=arguments.train, batch=1)
    trainer = tinyfoa_rt.Trainer(tinyfoa_rt.build(model, plan))
    data = load_data(arguments.data)
    x, y = data.x_test[: arguments.samples].astype(np.float32), data.y_test[: arguments.samples]
    (name,) = model.inputs
    if model.shape(name)[1:] != x.shape[1:]:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    accuracy = trainer.evaluate(x, y).accuracy
    assert accuracy is not None
    print(f"{model.name}: {accuracy:.2%} of {len(x):,} test samples, before training")


if __name__ == "__main__":
    main()
