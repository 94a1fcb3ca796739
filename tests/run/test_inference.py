"""The trained model is one file, of which training changes the parameters and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.run.picture_models import conv_artifact
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.artifact.folder import INFERENCE, Artifact
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run import Trainer

X, Y = blobs()


def scores_of(model: bytes, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


@pytest.mark.parametrize("options", [{}, {"binarize": "none"}, {"block_output": "scaled", "weight_scale": "tensor"}], ids=str)
def test_it_is_whole_in_its_bytes(tmp_path: Path, options: dict[str, Any]) -> None:
    trainer = Trainer(artifact_of(tmp_path, **options)).fit(X, Y, normalization=None, epochs=2)
    trainer.save(tmp_path / "run")
    assert not list((tmp_path / "run").glob("inference.*s"))
    model = (tmp_path / "run" / INFERENCE).read_bytes()
    np.testing.assert_allclose(scores_of(model, X), trainer.scores(X), rtol=1e-3, atol=1e-3)  # as check_inference_model


def test_training_changes_the_parameters_and_nothing_else(tmp_path: Path) -> None:
    artifact = conv_artifact(tmp_path)
    artifact.save(tmp_path / "run")
    before = (tmp_path / "run" / INFERENCE).read_bytes()
    trainer = Trainer(artifact)
    for array in trainer.state.others.values():
        array[...] = 1
    trainer.save(tmp_path / "run")
    after = (tmp_path / "run" / INFERENCE).read_bytes()
    changed = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8))
    inside = np.zeros(len(before), bool)
    for each in artifact.manifest.parameters:
        inside[each.offset : each.offset + each.nbytes] = True
    assert len(changed) and inside[changed].all()
    assert Artifact.load(tmp_path / "run").id == artifact.id


def test_what_a_device_writes_trains_on_from_another_folder(tmp_path: Path) -> None:
    Trainer(artifact_of(tmp_path)).fit(X, Y, normalization=None, epochs=1).save(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    trainer = Trainer.load(tmp_path / "moved")
    trainer.save(tmp_path / "again")
    assert (tmp_path / "again" / INFERENCE).read_bytes() == (tmp_path / "moved" / INFERENCE).read_bytes()


@pytest.mark.parametrize("change", [{"offset": 0}, {"nbytes": 1}, {"nbytes": 10**9}, {"name": "none"}], ids=str)
def test_places_that_are_wrong_are_refused(tmp_path: Path, change: dict[str, int | str]) -> None:
    artifact_of(tmp_path).save(tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    manifest["parameters"][1].update(change)
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError):
        Trainer(tmp_path / "run").save(tmp_path / "out")
