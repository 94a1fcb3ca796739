"""Gradients of blocks by PyTorch's autograd, in float64; needs numpy and torch only.

    python -m tests.emit.run_autograd FOLDER

For job N in ``FOLDER/jobs.json``, ``FOLDER/N.values.npz`` has what the block reads, ``head`` and ``target`` included, and
``FOLDER/N.gradients.npz`` gets the loss and its gradients with respect to the job's parameters. Prints the version of torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tools.torch_graph import TorchNode, run_nodes

__all__ = ["run_jobs"]


def run_jobs(folder: Path) -> None:
    """Differentiate every job in ``folder``."""
    for number, job in enumerate(json.loads((folder / "jobs.json").read_text(encoding="utf-8"))):
        with np.load(folder / f"{number}.values.npz") as arrays:
            values = {name: _wide(arrays[name]) for name in arrays}
        parameters = [values[name].requires_grad_() for name in job["parameters"]]
        nodes = [TorchNode(*node) for node in job["nodes"]]
        loss = _loss(run_nodes(nodes, values)[job["output"]], values, job)
        loss.backward()
        gradients = {name: each.grad.numpy() for name, each in zip(job["parameters"], parameters)}
        np.savez(folder / f"{number}.gradients.npz", **{"loss": loss.detach().numpy(), **gradients})


def _wide(array: Any) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float64) if array.dtype.kind == "f" else array)


def _loss(h: torch.Tensor, values: Mapping[str, torch.Tensor], job: Mapping[str, Any]) -> torch.Tensor:
    """The loss of a local head, or of the output itself where there is no head."""
    if "#head" in values:
        units = h.mean(dim=list(range(2, h.ndim))) if job["pools"] else h.flatten(1)
        h = job["gain"] * units @ values["#head"].to(torch.float64).T
    if job["loss"] == "mean-squared-error":
        return functional.mse_loss(h, values["#target"]) / 2
    if job["loss"] == "binary-cross-entropy":
        return functional.binary_cross_entropy_with_logits(h, values["#target"], reduction="sum") / len(h)
    return functional.cross_entropy(h, values["#target"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_jobs(Path(sys.argv[1]))
    print(torch.__version__)
