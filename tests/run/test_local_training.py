"""A locally connected net, from the ONNX model to a trained one: it learns, goes on from where it was, and predicts alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.emit.test_local_trajectory import local_net
from tests.run.trained_models import check_inference_model
from tests.small_models import load_model
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.pipeline.building import build
from tinyfoa_rt.run.trainer import Trainer


def artifact_of(folder: Path, **options: Any) -> Artifact:
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


POOLED = {"head_pool": "average"}
OPTIONS = [{}, {"alpha": "tensor"}, {"binarize": "weights"}, {"binarize": "none"}, POOLED, {**POOLED, "binarize": "none"}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_learns_and_the_inference_model_is_what_it_predicts(tmp_path: Path, options: dict[str, str]) -> None:
    trainer = Trainer(artifact_of(tmp_path, **options)).fit(X, Y, epochs=8)
    accuracy = trainer.evaluate(X_TEST, Y_TEST).accuracy
    assert accuracy is not None and accuracy > 0.85  # chance is a quarter
    trainer.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", trainer, X_TEST)


@pytest.mark.parametrize("binarize", ["both", "none"])
def test_before_training_a_float_model_predicts_what_the_user_s_does(tmp_path: Path, binarize: str) -> None:
    """So the order of weights and biases is that of the model; with binarization it predicts something else."""
    trainer = Trainer(artifact_of(tmp_path, binarize=binarize))
    theirs = onnxruntime.InferenceSession(tmp_path / "small.onnx").run(None, {"input": X_TEST})[0]
    is_equal = np.allclose(trainer.scores(X_TEST), theirs, rtol=1e-4, atol=1e-4)
    assert is_equal == (binarize == "none")


def test_a_turn_that_is_interrupted_goes_on_bit_for_bit(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, optimizer="adam")
    scores = []
    for stop in (False, True):
        trainer = Trainer(artifact)
        for start in range(0, 60, 6):
            trainer.partial_fit(X[start : start + 6], Y[start : start + 6])
            if stop:
                trainer.save(tmp_path / "run")
                trainer = Trainer.load(tmp_path / "run")
        scores.append(trainer.scores(X_TEST))
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize("binarize", ["both", "none"])
def test_a_pooled_head_classifies_by_itself(tmp_path: Path, binarize: str) -> None:
    """The classifier behind it would hide a head that learns nothing."""
    artifact = artifact_of(tmp_path, binarize=binarize, **POOLED)
    first = artifact.blocks[0].name
    assert artifact.initial[f"{first}#head"].shape == (4, 6)  # a column a channel
    reports = [each for each in Trainer(artifact).iterate(X, Y, epochs=8) if each.block == first]
    assert np.mean([each.accuracy for each in reports[-30:]]) > 0.8  # chance is a quarter
