"""A locally connected net, from the ONNX model to a trained one: it learns, goes on from where it was, and predicts alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.run.picture_models import X_TEST, Y_TEST, X, Y, local_artifact
from tests.run.trained_models import check_inference_model
from tinyfoa_rt.run.trainer import Trainer

POOLED = {"head_pool": "average"}
# Each takes a second; that every step does what its options say is compared elsewhere (tests/emit/test_local_trajectory.py).
MORE_OPTIONS = [{"weight_scale": "tensor"}, {"binarize": "weights"}, {**POOLED, "binarize": "none"}]
OPTIONS = [{}, {"binarize": "none"}, POOLED, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE_OPTIONS)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_learns_and_the_inference_model_is_what_it_predicts(tmp_path: Path, options: dict[str, str]) -> None:
    trainer = Trainer(local_artifact(tmp_path, **options)).fit(X, Y, normalization=None, epochs=8)
    accuracy = trainer.evaluate(X_TEST, Y_TEST).accuracy
    assert accuracy is not None and accuracy > 0.85  # chance is a quarter
    trainer.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", trainer, X_TEST)


@pytest.mark.parametrize("binarize", ["both", "none"])
def test_before_training_a_float_model_predicts_what_the_user_s_does(tmp_path: Path, binarize: str) -> None:
    """So the order of weights and biases is that of the model; with binarization it predicts something else."""
    trainer = Trainer(local_artifact(tmp_path, binarize=binarize))
    theirs = onnxruntime.InferenceSession(tmp_path / "small.onnx").run(None, {"input": X_TEST})[0]
    is_equal = np.allclose(trainer.scores(X_TEST), theirs, rtol=1e-4, atol=1e-4)
    assert is_equal == (binarize == "none")


def test_a_turn_that_is_interrupted_goes_on_bit_for_bit(tmp_path: Path) -> None:
    artifact = local_artifact(tmp_path, optimizer="adam")
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
    artifact = local_artifact(tmp_path, binarize=binarize, **POOLED)
    first = artifact.blocks[0].name
    assert artifact.initial[f"{first}#head"].shape == (4, 6)  # a column a channel
    reports = [each for each in Trainer(artifact).iterate(X, Y, normalization=None, epochs=8) if each.block == first]
    assert np.mean([each.accuracy for each in reports[-30:]]) > 0.8  # chance is a quarter
