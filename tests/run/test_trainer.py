"""The trainer learns, predicts, stops and goes on to the same weights; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.oracle.dense import size_of
from tests.run.trained_models import arrays_of, artifact_of, assert_equal_weights, blobs
from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run import Artifact, Trainer

X, Y = blobs()
X_TEST, Y_TEST = blobs(200, seed=1)
LONG: Mapping[str, Any] = {"epochs": 30}


@pytest.mark.parametrize("schedule", ["slice", "freeze-diagonal", "full"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_it_learns(tmp_path: Path, schedule: str, optimizer: str) -> None:
    trainer = Trainer(artifact_of(tmp_path, schedule=schedule, optimizer=optimizer))
    before = trainer.evaluate(X_TEST, Y_TEST)
    # Adam's steps do not grow with the error, and 600 steps of the recipe's size are few.
    after = trainer.fit(X, Y, normalization=None, **LONG, rate=20.0 if optimizer == "adam" else 1.0).evaluate(X_TEST, Y_TEST)
    assert trainer.is_done
    assert before.accuracy is not None and after.accuracy is not None
    assert after.accuracy > max(0.85, before.accuracy)  # untrained it is at chance, a quarter
    assert after.loss < before.loss


@pytest.mark.parametrize("binarize", ["both", "weights", "none"])
def test_it_learns_with_any_binarization(tmp_path: Path, binarize: str) -> None:
    trainer = Trainer(artifact_of(tmp_path, binarize=binarize)).fit(X, Y, normalization=None, **LONG)
    accuracy = trainer.evaluate(X_TEST, Y_TEST).accuracy
    assert accuracy is not None and accuracy > 0.85


@pytest.mark.parametrize("binarize", ["both", "none"])
def test_no_normalized_step_is_long(tmp_path: Path, binarize: str) -> None:
    """A slice of one unit, one sample a step: where the unit was off in the first steps, a power of 0 was measured."""
    artifact = artifact_of(tmp_path, optimizer="normalized", batch=1, slices="1x16", binarize=binarize)
    trainer = Trainer(artifact)
    before = arrays_of(trainer)
    length, steps = artifact.blocks[0].rate.boost * size_of(before["fc1#weight"]), 0
    for report in trainer.iterate(X, Y, normalization=None, epochs=1, rate_schedule="constant"):
        steps += report.block == "fc1"
        if report.block != "fc1":
            break
    after = arrays_of(trainer)
    for name in ("fc1#weight", "fc1#bias"):
        moved = float(np.abs(after[name] - before[name]).max())
        assert length < moved <= 10 * length * steps / 16, name  # each of 16 slices has its share of the steps


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 10])
def test_every_unit_learns(tmp_path: Path, classes: int) -> None:
    """A unit whose entries in the head are the same for all classes gets no error: with two classes half of them would be."""
    trainer = Trainer(artifact_of(tmp_path, sizes=(12, 33, 30, classes)))
    before = arrays_of(trainer)
    after = trainer.fit(*blobs(classes=classes), epochs=1).state.arrays()
    for layer in ("fc1", "fc2", "fc3"):
        moved = np.abs(after[f"{layer}#weight"] - before[f"{layer}#weight"]).max(axis=0)
        assert moved.min() > 1e-4, layer  # the sum of rounded errors that cancel is a thousand times smaller


def test_interleaved_blocks_learn_together(tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path, order="interleaved")).fit(X, Y, normalization=None, **LONG)
    accuracy = trainer.evaluate(X_TEST, Y_TEST).accuracy
    assert accuracy is not None and accuracy > 0.85


@pytest.mark.parametrize(("order", "rate"), [("layerwise", 0.3), ("interleaved", 0.1)])
def test_a_stream_is_learnt_from(tmp_path: Path, order: str, rate: float) -> None:
    trainer = Trainer(artifact_of(tmp_path, order=order))
    trainer.progress.settings = TrainSettings(rate=rate)
    for block in range(3 if order == "layerwise" else 1):
        if block:
            trainer.next_block()
        losses = [trainer.partial_fit(X[i : i + 6], Y[i : i + 6]) for _ in range(30) for i in range(0, 120, 6)]
        assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:20])
    accuracy = trainer.evaluate(X_TEST, Y_TEST).accuracy
    assert accuracy is not None and accuracy > 0.5  # a quarter is chance


@pytest.mark.parametrize("order", ["layerwise", "interleaved"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "normalized"])
def test_interruptions_change_nothing_bit_for_bit(tmp_path: Path, order: str, optimizer: str) -> None:
    artifact = artifact_of(tmp_path, order=order, optimizer=optimizer)
    straight = Trainer(artifact).fit(X, Y, normalization=None, epochs=2)
    broken = Trainer(artifact)
    settings: dict[str, Any] = {"epochs": 2}
    for stop in (1, 7, 13, 30, 31, 120):
        for count, _ in enumerate(broken.iterate(X, Y, normalization=None, **settings) if not broken.is_done else (), 1):
            if count == stop:
                break
        broken.save(tmp_path / "run")
        broken = Trainer.load(tmp_path / "run")
        settings = {}
    assert broken.is_done
    assert_equal_weights(arrays_of(straight), arrays_of(broken))


def test_predicting_meanwhile_changes_nothing(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    straight = Trainer(artifact).fit(X, Y, normalization=None, epochs=1)
    watched = Trainer(artifact)
    for _ in watched.iterate(X, Y, normalization=None, epochs=1):
        watched.predict(X_TEST[:5])
    assert_equal_weights(arrays_of(straight), arrays_of(watched))


def test_storage_in_mapped_files_changes_nothing_bit_for_bit(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path, optimizer="momentum")
    in_ram, mapped = Trainer(artifact), Trainer(artifact, storage=tmp_path)
    for trainer in (in_ram, mapped):
        trainer.fit(X, Y, normalization=None, epochs=1)
    for name, array in arrays_of(in_ram).items():
        np.testing.assert_array_equal(arrays_of(mapped)[name], array, err_msg=name)
    layer = mapped.state.layers["fc1"]
    assert all(
        _is_mapped(array) for name, array in layer.begin_turn(0).items() if name in ("fc1#w_slice", "fc1#w_slice#velocity")
    )


def test_storage_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot hold a file"):
        Trainer(artifact_of(tmp_path), storage=tmp_path / "nowhere")


def _is_mapped(array: NDArray[Any]) -> bool:
    return isinstance(array, np.memmap) or isinstance(array.base, np.memmap)


def test_seeds_give_other_orders_of_samples(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    first, again, other = (arrays_of(Trainer(artifact).fit(X, Y, normalization=None, epochs=1, seed=seed)) for seed in (0, 0, 1))
    assert_equal_weights(first, again)
    assert any((first[name] != other[name]).any() for name in first)


def test_the_inference_model_is_what_the_trainer_predicts(tmp_path: Path) -> None:
    trainer = Trainer(artifact_of(tmp_path), kernels=None).fit(X, Y, normalization=None, epochs=2)
    trainer.save(tmp_path / "run")
    path = tmp_path / "run" / "inference.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    assert [each.name for each in session.get_inputs()] == ["input"]
    np.testing.assert_array_equal(session.run(None, {"input": X_TEST})[0], trainer.scores(X_TEST))
    trainer = Trainer.load(tmp_path / "run", kernels=None)
    np.testing.assert_array_equal(session.run(None, {"input": X_TEST})[0], trainer.scores(X_TEST))


def test_a_saved_artifact_is_the_same_one(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "artifact")
    again = Artifact.load(tmp_path / "artifact")
    assert again.id == artifact.id
    assert again.manifest == artifact.manifest
    assert_equal_weights(
        arrays_of(Trainer(artifact).fit(X, Y, normalization=None, epochs=1)),
        arrays_of(Trainer(again).fit(X, Y, normalization=None, epochs=1)),
    )


BAD_DATA = [
    (X[:0], Y[:0], "has no samples"),
    (X, Y[:-1], "120 samples and 119 labels"),
    (X[:, :5], Y, "samples have shape"),
    (X, np.arange(120), "has 120 different labels|is outside 0 to 3"),
    (X, np.arange(120) - 100, "has 120 different labels|is outside 0 to 3"),
    (X, Y + 0.5, "is not a whole number; number the classes from 0, or plan with --loss mean-squared-error"),
    (np.where(np.arange(120)[:, None] == 7, np.nan, X), Y, "row 7: holds NaN or Inf"),
]


@pytest.mark.parametrize(("x", "y", "message"), BAD_DATA)
def test_bad_data_is_refused_and_nothing_is_lost(tmp_path: Path, x: NDArray[Any], y: NDArray[Any], message: str) -> None:
    trainer = Trainer(artifact_of(tmp_path)).fit(X, Y, normalization=None, epochs=1)
    before = arrays_of(trainer)
    with pytest.raises(InputError, match=message):
        Trainer(trainer.artifact).fit(x, y, normalization=None, epochs=1)
    with pytest.raises(InputError, match=message):
        trainer.evaluate(x, y)
    assert_equal_weights(before, arrays_of(trainer))


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    artifact = artifact_of(tmp_path)
    for settings in ({"epochs": 0}, {"rate": -1.0}, {"rate": float("nan")}, {"rate_schedule": "x"}, {"rotate_every": 0}):
        with pytest.raises(UsageError):
            Trainer(artifact).fit(X, Y, normalization=None, **settings)
    with pytest.raises(UsageError, match="is not in this onnxruntime"):
        Trainer(artifact, providers=["NoSuchProvider"])


def test_a_checkpoint_of_another_artifact_is_refused(tmp_path: Path) -> None:
    Trainer(artifact_of(tmp_path)).fit(X, Y, normalization=None, epochs=1).save(tmp_path / "one")
    Trainer(artifact_of(tmp_path, optimizer="adam")).fit(X, Y, normalization=None, epochs=1).save(tmp_path / "other")
    for path in (tmp_path / "one" / "checkpoint").iterdir():
        path.unlink()
    for path in (tmp_path / "other" / "checkpoint").iterdir():
        (tmp_path / "one" / "checkpoint" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="another artifact"):
        Trainer.load(tmp_path / "one")


DAMAGE = ["manifest.json", "steps/1.onnx", "forward/1.onnx", "initial.safetensors"]


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("how", ["missing", "cut", "changed"])
def test_a_damaged_artifact_is_refused(tmp_path: Path, name: str, how: str) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    path = tmp_path / "artifact" / name
    content = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "changed":
        path.write_bytes(bytes([content[0] ^ 0xFF]) + content[1:])
    with pytest.raises(InputError):
        Trainer(tmp_path / "artifact")


def test_a_manifest_that_points_outside_its_folder_is_refused(tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    manifest = tmp_path / "artifact" / "manifest.json"
    (tmp_path / "out.onnx").write_bytes((tmp_path / "artifact" / "steps" / "1.onnx").read_bytes())
    manifest.write_text(manifest.read_text().replace("steps/1.onnx", "../out.onnx"))
    with pytest.raises(InputError, match="is no path of a file in an artifact"):
        Trainer(tmp_path / "artifact")
