"""Small artifacts and data that can be learnt, for tests of training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tests.small_models import load_model, mlp
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

__all__ = ["SIZES", "artifact_of", "blobs", "check_inference_model"]

SIZES = (12, 16, 16, 4)


def artifact_of(folder: Path, *, sizes: tuple[int, ...] = SIZES, budget: str = "1MB", **options: Any) -> Artifact:
    """An artifact of a perceptron, 12-16-16-4 unless said otherwise, in steps of 6 samples, slices 2 x 2."""
    graph = load_model(mlp(sizes), folder)
    planning = {"batch": 6, "slices": "2x2", **options}
    if planning.get("schedule", "slice") != "slice":
        planning["slices"] = "auto"
    return build(graph, plan(graph, budget, **planning))


def check_inference_model(path: Path, trainer: Trainer, x: NDArray[Any]) -> None:
    """It is a whole ONNX model that gives the trainer's scores, for one sample and for all of ``x``."""
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    for count in (1, len(x)):
        ours = session.run(None, {"input": x[:count]})[0]
        # Real inputs of binary weights are quantized to 16 bits of the largest in the sample.
        np.testing.assert_allclose(ours, trainer.scores(x)[:count], rtol=1e-3, atol=1e-3)


def blobs(num_samples: int = 120, seed: int = 0, classes: int = 4) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Clouds of points in twelve dimensions, well apart."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 2, (classes, 12))
    y = rng.integers(0, classes, num_samples)
    return (centres[y] + rng.normal(0, 1, (num_samples, 12))).astype(np.float32), y


def arrays_of(trainer: Trainer) -> Mapping[str, NDArray[Any]]:
    return {name: array.copy() for name, array in trainer.state.arrays().items()}


def assert_equal_weights(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
