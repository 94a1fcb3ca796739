"""A net of convolutions, depthwise and residual ones with batch normalization, from the ONNX model to a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emit.test_conv_trajectory import conv_model
from tests.run.test_local_training import X_TEST, Y_TEST, X, Y
from tests.run.test_trainer import arrays_of, assert_equal_weights
from tests.run.trained_models import check_inference_model
from tests.small_models import load_model
from tinyfoa_rt.artifact.folder import Artifact
from tinyfoa_rt.pipeline import plan
from tinyfoa_rt.pipeline.building import build
from tinyfoa_rt.run.trainer import Trainer


def artifact_of(folder: Path, **options: Any) -> Artifact:
    graph = load_model(conv_model(), folder)
    planning = {"batch": 6, "slices": "2x2", **options}
    if planning.get("schedule", "slice") != "slice":
        del planning["slices"]
    return build(graph, plan(graph, "1MB", **planning))


OPTIONS = [{}, {"alpha": "tensor"}, {"binarize": "weights"}, {"binarize": "none"}, {"head_pool": "average"}]
OPTIONS += [{"schedule": "full"}, {"schedule": "freeze-diagonal"}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_learns_and_the_inference_model_is_what_it_predicts(tmp_path: Path, options: dict[str, str]) -> None:
    trainer = Trainer(artifact_of(tmp_path, **options)).fit(X, Y, epochs=8)
    accuracy = trainer.evaluate(X_TEST, Y_TEST).accuracy
    assert accuracy is not None and accuracy > 0.5  # chance is a quarter
    trainer.save(tmp_path / "run")
    check_inference_model(tmp_path / "run" / "inference.onnx", trainer, X_TEST)


def test_batch_normalization_follows_what_it_sees(tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path))
    before = arrays_of(trainer)
    after = arrays_of(trainer.fit(X, Y, epochs=1))
    for name in ("depthwise_norm_out", "residual_norm_out"):
        for kept in ("running_mean", "running_variance", "shift"):
            assert np.abs(after[f"{name}#{kept}"] - before[f"{name}#{kept}"]).max() > 0.01
        assert after[f"{name}#running_variance"].min() > 0


def test_a_resumed_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, optimizer="adam")
    whole = arrays_of(Trainer(artifact).fit(X, Y, epochs=1))
    broken = Trainer(artifact)
    for number, _ in enumerate(broken.iterate(X, Y, epochs=1), 1):
        if number == 70:  # in the third block, which normalizes
            break
    broken.save(tmp_path / "run")
    assert_equal_weights(arrays_of(Trainer.load(tmp_path / "run").fit(X, Y)), whole)
