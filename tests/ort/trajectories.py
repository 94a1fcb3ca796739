"""The same steps in Python and in C++, and how far apart they may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.small_models import load_model, mlp
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Artifact, Trainer

# The same onnxruntime on the same machine, but another thread count may add in another order; signs near 0 then differ, and
# losses with them.
LOSS_TOLERANCE = 1e-4
SIGNS_TOLERANCE = 1e-4


def in_python(
    artifact: Artifact, x: NDArray[Any], y: NDArray[Any], steps: int, *, kernels: Path | None = None, rate: float = 1.0
) -> tuple[Trainer, list[float]]:
    """Each block takes its share of the steps, in order, on one thread; without kernels on function bodies."""
    trainer = Trainer(artifact, kernels=kernels, threads=1)
    trainer.progress.settings = replace(trainer.progress.settings, rate=rate)
    batch, num_blocks = artifact.manifest.batch, len(artifact.blocks)
    losses = []
    for block in range(num_blocks):
        if block:
            trainer.next_block()
        for step in range(steps // num_blocks):
            start = step * batch % len(x)
            losses.append(trainer.partial_fit(x[start : start + batch], y[start : start + batch]))
    return trainer, losses


def commands(num_blocks: int, steps: int) -> list[str]:
    share = f"steps:0:{steps // num_blocks}"
    return [word for block in range(num_blocks) for word in (["next"] if block else []) + [share]]


def assert_same(python: Trainer, saved: Path) -> None:
    """Weights of both agree: the share of signs that differ, and latent weights where they do not."""
    here, there = python.state.arrays(), Trainer.load(saved).state.arrays()
    weights = [name for name in here if name.endswith("#weight")]
    differ = sum(int(((here[name] >= 0) != (there[name] >= 0)).sum()) for name in weights)
    assert differ <= SIGNS_TOLERANCE * sum(here[name].size for name in weights)
    for name, array in here.items():
        np.testing.assert_allclose(there[name], array, rtol=1e-3, atol=1e-4, err_msg=name)


def wide_layers(folder: Path) -> tuple[Artifact, Any, Any]:
    """A network with enough weights for one sign in ten thousand to be seen, 0.7 million, saved in the folder, and samples."""
    graph = load_model(mlp((400, 600, 600, 10)), folder)
    artifact = build(graph, plan(graph, "32MB", batch=20, slices="2x2"))
    artifact.save(folder / "artifact")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 400)
    x = (rng.normal(0, 1, (10, 400))[y] + rng.normal(0, 1, (400, 400))).astype(np.float32)
    return artifact, x, y
