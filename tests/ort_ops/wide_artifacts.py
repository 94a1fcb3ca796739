"""A network whose layers are several words wide, and samples for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.run.trained_models import artifact_of
from tinyfoa_rt.run import Artifact

SIZES, BATCH = (100, 96, 80, 4), 10


def wide_artifact(folder: Path, **options: Any) -> Artifact:
    """Layers of several words a row, slices 2 x 2, of which one begins within a word's block of outputs."""
    return artifact_of(folder, **{"sizes": SIZES, "batch": BATCH, **options})


def samples(count: int, classes: int = 4) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (classes, SIZES[0]))
    y = rng.integers(0, classes, count)
    return (centres[y] + rng.normal(0, 1, (count, SIZES[0]))).astype(np.float32), y
