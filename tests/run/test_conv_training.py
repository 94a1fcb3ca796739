"""A net of convolutions, depthwise and residual ones with batch normalization, from the ONNX model to a trained one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.run.picture_models import X_TEST, Y_TEST, X, Y, conv_artifact
from tests.run.trained_models import arrays_of, assert_equal_weights, check_inference_model
from tinyfoa_rt.run.trainer import Trainer

# Each takes two seconds; that every step does what its options say is compared elsewhere (tests/emit/test_conv_trajectory.py).
MORE_OPTIONS = [{"weight_scale": "tensor"}, {"binarize": "weights"}, {"head_pool": "average"}, {"schedule": "freeze-diagonal"}]
OPTIONS = [{}, {"binarize": "none"}, {"schedule": "full"}, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE_OPTIONS)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_learns_and_the_inference_model_is_what_it_predicts(tmp_path: Path, options: dict[str, str]) -> None:
    trainer = Trainer(conv_artifact(tmp_path, **options)).fit(X, Y, normalization=None, epochs=8)
    accuracy = trainer.evaluate(X_TEST, Y_TEST).accuracy
    assert accuracy is not None and accuracy > 0.5  # chance is a quarter
    trainer.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", trainer, X_TEST)


def test_batch_normalization_follows_what_it_sees(tmp_path: Path) -> None:
    trainer = Trainer(conv_artifact(tmp_path))
    before = arrays_of(trainer)
    after = arrays_of(trainer.fit(X, Y, normalization=None, epochs=1))
    for name in ("depthwise_norm_out", "residual_norm_out"):
        for kept in ("running_mean", "running_variance", "shift"):
            assert np.abs(after[f"{name}#{kept}"] - before[f"{name}#{kept}"]).max() > 0.01
        assert after[f"{name}#running_variance"].min() > 0


def test_a_resumed_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    artifact = conv_artifact(tmp_path, optimizer="adam")
    whole = arrays_of(Trainer(artifact).fit(X, Y, normalization=None, epochs=1))
    broken = Trainer(artifact)
    for number, _ in enumerate(broken.iterate(X, Y, normalization=None, epochs=1), 1):
        if number == 70:  # in the third block, which normalizes
            break
    broken.save(tmp_path / "run")
    assert_equal_weights(arrays_of(Trainer.load(tmp_path / "run").fit(X, Y, normalization=None)), whole)
