"""Train an artifact in an environment of its own, which has numpy and some onnxruntime; tests start this as a program.

    python tests/run/train_on_provider.py ARTIFACT DATA.npz PROVIDER OUTPUT

Takes as many steps of each block as DATA has batches, saves to OUTPUT, and prints JSON: the losses, and how many nodes of all
steps the provider takes of how many.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from tinyfoa_rt.run import Artifact, Trainer
from tinyfoa_rt.run.assignment import ask_provider, inline

__all__: list[str] = []


def main(artifact_folder: str, data: str, provider: str, output: str) -> None:
    """Train and print."""
    artifact = Artifact.load(Path(artifact_folder))
    trainer = Trainer(artifact, kernels=None, threads=1, providers=(provider, "CPUExecutionProvider"))
    arrays = np.load(data)
    x, y, batch = arrays["x"], arrays["y"], artifact.manifest.batch
    losses = []
    for block in range(len(artifact.blocks)):
        if block:
            trainer.next_block()
        losses += [trainer.partial_fit(x[i : i + batch], y[i : i + batch]) for i in range(0, len(x) - batch + 1, batch)]
    trainer.save(output)
    models = [inline(artifact.models[block.step]) for block in artifact.blocks]
    answers = [ask_provider(model, provider) for model in models]
    everything = [ask_provider(model, "CPUExecutionProvider") for model in models]
    taken, nodes = (sum(answer.operators.total() for answer in each) for each in (answers, everything))
    print(json.dumps({"losses": losses, "taken": taken, "nodes": nodes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
