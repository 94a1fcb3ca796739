"""A run begins in Python, goes on in C++ and ends in Python, or the other way round; checkpoints are the same bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.ort.driver import Driver
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run import Artifact, Trainer
from tinyfoa_rt.run.data import Normalization

X, Y = blobs(240)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def steps_in_python(trainer: Trainer, first: int, last: int) -> list[float]:
    return [trainer.partial_fit(X[i * 6 % 240 : i * 6 % 240 + 6], Y[i * 6 % 240 : i * 6 % 240 + 6]) for i in range(first, last)]


@pytest.mark.parametrize("head", ["rademacher", "learned"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "normalized"])
def test_from_python_to_cpp_and_back(optimizer: str, head: str, driver: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, optimizer=optimizer, head=head)
    straight = Trainer(artifact)
    expected = steps_in_python(straight, 0, 90)
    first = Trainer(artifact)
    losses = steps_in_python(first, 0, 30)
    first.save(tmp_path / "run")
    losses += driver.steps(tmp_path / "run", X, Y, "--resume", "steps:30:60", f"save:{tmp_path / 'run'}")
    last = Trainer.load(tmp_path / "run")
    assert (last.progress.step, last.progress.total_steps) == (60, 60)
    losses += steps_in_python(last, 60, 90)
    # A third of the samples that rates are measured on were seen there, their squares summed in another order.
    assert last.progress.rates == pytest.approx(straight.progress.rates, rel=1e-12)
    assert not last.progress.powers
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
@pytest.mark.parametrize(("head", "optimizer"), [("rademacher", "adam"), ("learned", "adam"), ("learned", "normalized")])
def test_what_was_read_is_written_as_the_same_bytes(
    normalization: Normalization | None, head: str, optimizer: str, driver: Driver, tmp_path: Path
) -> None:
    trainer = Trainer(artifact_of(tmp_path, optimizer=optimizer, slices="3x2", head=head))
    trainer.fit(X, Y, normalization=normalization, epochs=1, rate=1e-5, rotate_every=3)
    trainer.save(tmp_path / "run")
    driver.run(tmp_path / "run", X, Y, "--resume", f"save:{tmp_path / 'copy'}")
    for name in ("manifest.json", "initial.safetensors", "inference.onnx", "steps/1.onnx"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name
    here, there = tmp_path / "run" / "checkpoint", tmp_path / "copy" / "checkpoint"
    assert names_in(there) == ["checkpoint.json", "state-000001.safetensors"]
    for name in names_in(there):
        assert (there / name).read_bytes() == (here / name).read_bytes(), name


def test_both_tell_artifacts_apart_alike(driver: Driver, tmp_path: Path) -> None:
    """The id is the hash of the manifest, however that is spelt."""
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "artifact")
    manifest = tmp_path / "artifact" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()), sort_keys=True, ensure_ascii=False))
    driver.run(tmp_path / "artifact", X, Y, f"save:{tmp_path / 'run'}")
    trainer = Trainer.load(tmp_path / "run")
    assert trainer.artifact.id == Artifact.load(tmp_path / "artifact").id != artifact.id
    trainer.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == manifest.read_bytes()


def test_a_fixed_set_is_learnt_and_python_finishes_the_run(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    lines = driver.run(tmp_path / "artifact", X, Y, "settings:20:1:0", "fit:1000", f"save:{tmp_path / 'run'}", "info")
    assert [line["step"] for line in lines[:-1]] == [*range(800), *range(200)]  # 40 steps an epoch
    assert lines[-1]["block"] == 1 and lines[-1]["step"] == 200
    trainer = Trainer.load(tmp_path / "run")
    assert (trainer.progress.block, trainer.progress.step, trainer.progress.settings.epochs) == (1, 200, 20)
    trainer.fit(X, Y, normalization=None)
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
    Trainer(artifact_of(tmp_path)).fit(X, Y, normalization=None, epochs=2).save(tmp_path / "run")
    words = ["--resume", "info", "steps:0:40", "info", "block:1", "steps:0:1", "block:3"]
    info, *steps, after, earlier, failure = driver.run(tmp_path / "run", X, Y, *words)
    assert (info["block"], info["step"]) == (3, 0)
    assert len(steps) == 40 and (after["block"], after["step"]) == (2, 40)
    assert "loss" in earlier and failure["status"] == 2


def test_a_model_trained_in_python_learns_on_in_cpp_and_back(driver: Driver, tmp_path: Path) -> None:
    x, y = blobs(120, seed=3)
    begun = Trainer(artifact_of(tmp_path)).fit(X, Y, normalization=None, epochs=1)
    begun.save(tmp_path / "run")
    *first, measures = driver.run(
        tmp_path / "run", x, y, "--resume", "settings:5:1:0", "fit", "evaluate", f"save:{tmp_path / 'run'}"
    )
    assert [line["step"] for line in first] == 3 * [*range(100)]
    assert measures["loss"] < begun.evaluate(x, y).loss
    learnt = Trainer.load(tmp_path / "run")
    assert learnt.is_done and learnt.progress.total_steps == 300
    learnt.fit(X, Y, normalization=None, epochs=1, blocks=["fc3"]).save(tmp_path / "run")
    again = driver.run(tmp_path / "run", x, y, "--resume", "settings:1:1:0:fc2", "fit", f"save:{tmp_path / 'again'}")
    assert {line["block"] for line in again} == {"fc2"}
    layers = Trainer.load(tmp_path / "again").state.layers
    assert [(layers[n].weight == learnt.state.layers[n].weight).all() for n in ("fc1", "fc2", "fc3")] == [True, False, True]
    (failure,) = driver.run(tmp_path / "run", x, y, "settings:1:1:0:fc9")
    assert failure == {"status": 2, "message": "block fc9: is not trained in this artifact; name a block of its manifest"}


def test_what_was_stopped_goes_on_with_its_data_and_settings_only(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    run = tmp_path / "run"
    driver.steps(tmp_path / "artifact", X, Y, "settings:1:1:0", "fit:50", f"save:{run}")
    for x, y in ((X + np.float32(1), Y), (X, np.roll(Y, 1))):
        (failure,) = driver.run(run, x, y, "--resume", "fit")
        assert failure["status"] == 4 and "are not those that the training was begun with" in failure["message"]
        with pytest.raises(InputError, match="are not those that the training was begun with"):
            Trainer.load(run).fit(x, y, normalization=None)
    (failure,) = driver.run(run, X, Y, "--resume", "settings:2:1:0")
    assert failure["status"] == 2 and "restart before" in failure["message"]
    assert len(driver.run(run, X, Y, "--resume", "settings:1:1:0", "fit")) == 70
    assert len(driver.run(run, X + np.float32(1), Y, "--resume", "restart", "settings:2:1:0", "fit")) == 240


def test_an_outlier_decides_no_more_than_in_python(driver: Driver, tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "artifact")
    x = X.copy()
    x[0] *= 1e4
    straight, python = Trainer(artifact), Trainer(artifact)
    straight.partial_fit(X, Y)
    python.partial_fit(x, Y)
    driver.steps(tmp_path / "artifact", x, Y, "steps:0:40", f"save:{tmp_path / 'run'}")
    rates = [Trainer.load(tmp_path / "run").progress.rates, python.progress.rates, straight.progress.rates]
    assert rates[0] == pytest.approx(rates[1], rel=1e-6)
    assert rates[0]["fc1"] > 0.9 * rates[2]["fc1"]


def test_what_is_not_finite_is_refused_before_anything_changes(driver: Driver, tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path)).fit(X, Y, normalization=None, epochs=1)
    trainer.save(tmp_path / "run")
    x = X.copy()
    x[239, 3] = np.inf
    lines = driver.run(
        tmp_path / "run", x, Y, "--resume", "fit", "steps:39:40", "evaluate", "predict", f"save:{tmp_path / 'copy'}"
    )
    assert len(lines) == 4 and all("holds NaN or Inf" in line["message"] for line in lines)
    for path in (tmp_path / "run" / "checkpoint").iterdir():
        assert (tmp_path / "copy" / "checkpoint" / path.name).read_bytes() == path.read_bytes()


def test_a_loss_that_is_not_finite_leaves_the_state_as_it_was(driver: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, loss="mean-squared-error", binarize="none").save(tmp_path / "artifact")
    y = np.float32(1e6) * np.eye(4, dtype=np.float32)[Y]
    words = ["settings:1:1e6:0", "fit", "info", f"save:{tmp_path / 'run'}"]
    *_, failure, info = driver.run(tmp_path / "artifact", 100 * X, y, *words)
    assert failure["status"] == 4
    assert re.match(rf"block fc1, step {info['step']}: the loss is (NaN|infinite); lower the rate", failure["message"])
    assert Trainer.load(tmp_path / "run").progress.step == info["step"]


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "normalized"])
def test_what_a_failed_step_has_written_is_forgotten(optimizer: str, driver: Driver, tmp_path: Path) -> None:
    """The run that stops before the step leaves the same bytes: weights, what the optimizer keeps, and numbers of slices."""
    options: dict[str, Any] = {"loss": "mean-squared-error", "binarize": "none", "slices": "1x1", "optimizer": optimizer}
    artifact_of(tmp_path, **options).save(tmp_path / "artifact")
    y = np.eye(4, dtype=np.float32)[Y]
    words = ("--threads", "1", "settings:1:1e25:0")
    *_, failure, info = driver.run(tmp_path / "artifact", X, y, *words, "fit", "info", f"save:{tmp_path / 'failed'}")
    assert failure["status"] == 4 and info["step"] >= 1
    driver.run(tmp_path / "artifact", X, y, *words, f"fit:{info['step']}", f"save:{tmp_path / 'stopped'}")
    states = [(tmp_path / run / "checkpoint" / "state-000001.safetensors").read_bytes() for run in ("failed", "stopped")]
    assert states[0] == states[1]


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
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["format"] == "tinyfoa-artifact/5"
