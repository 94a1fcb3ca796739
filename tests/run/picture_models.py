"""Small artifacts of networks that see pictures, and pictures that can be learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.emit.conv_models import conv_model
from tests.emit.local_models import local_net
from tests.small_models import load_model
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.pipeline import build, plan


def local_artifact(folder: Path, **options: Any) -> Artifact:
    """Of lc1 - lc2 - fc on 2x6x5: steps of 6 samples, slices 2 x 2, of which those of lc2 are uneven."""
    graph = load_model(local_net(), folder)
    planning = {"batch": 6, "slices": "2x2", **options}
    return build(graph, plan(graph, "1MB", **planning))


def pictures(num_samples: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Four pictures under noise."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 1, (4, 2, 6, 5))
    y = rng.integers(0, 4, num_samples)
    return (centres[y] + rng.normal(0, 1, (num_samples, 2, 6, 5))).astype(np.float32), y


X, Y = pictures(180, 0)
X_TEST, Y_TEST = pictures(120, 1)


def conv_artifact(folder: Path, **options: Any) -> Artifact:
    graph = load_model(conv_model(), folder)
    planning = {"batch": 6, "slices": "2x2", **options}
    if planning.get("schedule", "slice") != "slice":
        del planning["slices"]
    return build(graph, plan(graph, "1MB", **planning))
