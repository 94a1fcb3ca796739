"""A run begins in Python, goes on in C++ and ends in Python, or the other way round; checkpoints are the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.ort.driver import Driver
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.data import Normalization

X, Y = blobs(240)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def steps_in_python(trainer: Trainer, first: int, last: int) -> list[float]:
    return [trainer.partial_fit(X[i * 6 % 240 : i * 6 % 240 + 6], Y[i * 6 % 240 : i * 6 % 240 + 6]) for i in range(first, last)]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_from_python_to_cpp_and_back(optimizer: str, driver: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, optimizer=optimizer)
    straight = Trainer(artifact)
    expected = steps_in_python(straight, 0, 90)
    first = Trainer(artifact)
    losses = steps_in_python(first, 0, 30)
    first.save(tmp_path / "run")
    losses += driver.steps(tmp_path / "run", X, Y, "--resume", "steps:30:60", f"save:{tmp_path / 'run'}")
    last = Trainer.load(tmp_path / "run")
    assert (last.progress.step, last.progress.total_steps) == (60, 60)
    assert last.progress.rates == straight.progress.rates
    losses += steps_in_python(last, 60, 90)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)  # another order of sums in another thread count


def test_from_cpp_to_python_and_back(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    expected = driver.steps(tmp_path / "artifact", X, Y, "steps:0:90")
    losses = driver.steps(tmp_path / "artifact", X, Y, "steps:0:30", f"save:{tmp_path / 'run'}")
    middle = Trainer.load(tmp_path / "run")
    losses += steps_in_python(middle, 30, 60)
    middle.save(tmp_path / "run")
    losses += driver.steps(tmp_path / "run", X, Y, "--resume", "steps:60:90")
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "normalization",
    [None, Normalization(0.1, 2.5), Normalization((0.5,) * 12, tuple(0.1 * i + 1 / 3 for i in range(12)))],
    ids=str,
)
def test_what_was_read_is_written_as_the_same_bytes(normalization: Normalization | None, driver: Driver, tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path, optimizer="adam", slices="3x2"))
    trainer.fit(X, Y, normalization=normalization, epochs=1, rate=1e-5, rotate_every=3)
    trainer.save(tmp_path / "run")
    driver.run(tmp_path / "run", X, Y, "--resume", f"save:{tmp_path / 'copy'}")
    for name in ("manifest.json", "initial.safetensors", "inference.onnx", "steps/1.onnx"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name
    here, there = tmp_path / "run" / "checkpoint", tmp_path / "copy" / "checkpoint"
    assert names_in(there) == ["checkpoint.json", "state-000001.safetensors"]
    for name in names_in(there):
        assert (there / name).read_bytes() == (here / name).read_bytes(), name


@pytest.mark.parametrize("momentum", [0.5, 1e-7, 1 / 3, 2.0**-44, 0.99999999999999989, 5e-324])
def test_both_tell_artifacts_apart_alike(momentum: float, driver: Driver, tmp_path: Path) -> None:
    """The id is a hash of JSON, so C++ must write numbers and names as Python does."""
    artifact = artifact_of(tmp_path)
    blocks = tuple(replace(block, scale_momentum=momentum) for block in artifact.blocks)
    manifest = replace(artifact.manifest, model='\x7f na\u00efve "\\\t\u2028 \U0001f600', blocks=blocks)
    artifact = replace(artifact, manifest=manifest)
    artifact.save(tmp_path / "artifact")
    driver.run(tmp_path / "artifact", X, Y, f"save:{tmp_path / 'run'}")
    assert Trainer.load(tmp_path / "run").artifact.id == artifact.id


def test_a_fixed_set_is_learnt_and_python_finishes_the_run(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    lines = driver.run(tmp_path / "artifact", X, Y, "settings:20:1:0", "fit:1000", f"save:{tmp_path / 'run'}", "info")
    assert [line["step"] for line in lines[:-1]] == [*range(800), *range(200)]  # 40 steps an epoch
    assert lines[-1]["block"] == 1 and lines[-1]["step"] == 200
    trainer = Trainer.load(tmp_path / "run")
    assert (trainer.progress.block, trainer.progress.step, trainer.progress.settings.epochs) == (1, 200, 20)
    trainer.fit(X, Y)
    assert trainer.is_done
    accuracy = trainer.evaluate(X, Y).accuracy
    assert accuracy is not None and accuracy > 0.85  # a quarter is chance


@pytest.mark.parametrize("cache", ["1", "1000000"])
def test_stopping_and_going_on_changes_nothing(cache: str, driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    options = ("--threads", "1", "--cache", cache)
    straight = driver.steps(tmp_path / "artifact", X, Y, *options, "settings:2:1:0", "fit")
    assert len(straight) == 3 * 80
    losses: list[float] = []
    words = ["settings:2:1:0", "fit:33"]
    folder = tmp_path / "artifact"
    for stop in (90, 91, 170, 10_000):
        losses += driver.steps(folder, X, Y, *options, *words, f"save:{tmp_path / 'run'}")
        folder, words = tmp_path / "run", ["--resume", f"fit:{stop}"]
    losses += driver.steps(folder, X, Y, *options, *words)
    assert losses == straight


def test_predictions_between_steps_change_nothing(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, optimizer="momentum").save(tmp_path / "artifact")
    straight = driver.steps(tmp_path / "artifact", X, Y, "--threads", "1", "steps:0:20")
    words = [word for i in range(20) for word in (f"steps:{i}:{i + 1}", "predict", f"save:{tmp_path / 'run'}")]
    lines = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", *words)
    assert [line["loss"] for line in lines if isinstance(line, dict)] == straight


def test_samples_are_normalized_as_in_python(driver: Driver, tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path))
    trainer.progress.normalization = Normalization(1.5, 3.0)
    trainer.artifact.save(tmp_path / "artifact")
    expected = steps_in_python(trainer, 0, 20)
    losses = driver.steps(tmp_path / "artifact", X, Y, "normalize:1.5:3", "steps:0:20")
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


def test_a_trained_model_learns_on_in_its_last_block(driver: Driver, tmp_path: Path) -> None:
    Trainer(artifact_of(tmp_path)).fit(X, Y, epochs=2).save(tmp_path / "run")
    failure, info, *steps = driver.run(
        tmp_path / "run", X, Y, "--resume", "steps:0:1", "info", "block:2", "steps:0:40", "block:3"
    )
    assert failure == {"status": 2, "message": "training: has ended: all blocks are trained; predict, or open the artifact anew"}
    assert info["block"] == 3
    assert len(steps) == 41 and steps[-1]["status"] == 2


def test_saving_replaces_what_a_killed_save_has_left(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "run")
    folder = tmp_path / "run" / "checkpoint"
    folder.mkdir()
    for name in ("state-000007.safetensors", ".state-000008.safetensors.42", ".checkpoint.json.42", "mine.txt"):
        (folder / name).write_bytes(b"")
    driver.run(tmp_path / "run", X, Y, "steps:0:3", f"save:{tmp_path / 'run'}")
    assert names_in(folder) == ["checkpoint.json", "mine.txt", "state-000009.safetensors"]
    assert Trainer.load(tmp_path / "run").progress.step == 3


def test_inference_parameters_are_those_of_python(driver: Driver, tmp_path: Path) -> None:
    Trainer(artifact_of(tmp_path)).save(tmp_path / "run")
    driver.run(tmp_path / "run", X, Y, "steps:0:40", f"save:{tmp_path / 'run'}")
    trainer = Trainer.load(tmp_path / "run")
    found = (tmp_path / "run" / "inference.onnx").read_bytes()
    initializers = {each.name: numpy_helper.to_array(each) for each in onnx.load_from_string(found).graph.initializer}
    expected: Any = trainer.state.forward_tensors(as_bytes=True)
    names = [each.name for each in trainer.artifact.manifest.parameters]
    assert len(names) >= 5
    for name in names:
        # Sums of bands are added in the same order; sums within a band come from the checkpoint.
        np.testing.assert_array_equal(initializers[name], expected[name], err_msg=name)
    trainer.save(tmp_path / "python")
    assert (tmp_path / "python" / "inference.onnx").read_bytes() == found
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["format"] == "tinyfoa-artifact/2"
