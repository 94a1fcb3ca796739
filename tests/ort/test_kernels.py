"""The C++ trainer with the library of kernels: the same 200 steps as with function bodies, here and in Python; checkpoints that
pass from one to another; a budget; and libraries that cannot be used.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.attacks import put_file
from tests.ort.changed_artifacts import put_initial
from tests.ort.driver import Driver
from tests.ort.trajectories import LOSS_TOLERANCE, assert_same, commands, in_python, wide_layers
from tests.ort_ops.wide_artifacts import BATCH, samples, wide_artifact
from tests.run.picture_models import local_artifact
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer

# Sums of bodies and of kernels round apart. With some samples that decides whether a value near zero is a one, and losses differ
# by a per cent from there on; not with these, and with one thread, so that sums have the same order in every run.
X, Y = samples(600)
STEPS = 201
OPTIONS: list[dict[str, Any]] = [
    {},
    {"optimizer": "momentum"},
    {"schedule": "full"},
    {"slices": "3x2"},
    {"binarize": "weights"},
    {"binarize": "none"},
    {"block_output": "scaled"},
    {"head": "kaiming"},
    {"head": "learned", "optimizer": "adam"},
    {"class_weights": "0.25,1,2.5,4"},
]


def name_of(options: dict[str, Any]) -> str:
    return "-".join(map(str, options.values())) or "plain"


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_200_steps_agree_on_all_sides(options: dict[str, Any], driver: Driver, library: Path, tmp_path: Path) -> None:
    """Python and C++, each with bodies and with kernels: layers of several words a row, slices that begin within a word."""
    artifact = wide_artifact(tmp_path, **options)
    artifact.save(tmp_path / "artifact")
    python, expected = in_python(artifact, X, Y, STEPS)
    packed, losses = in_python(artifact, X, Y, STEPS, kernels=library)
    assert packed.state.is_packed
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    for kernels in ("none", str(library)):
        saved = tmp_path / f"saved-{Path(kernels).stem}"
        words = ["--threads", "1", "--kernels", kernels, *commands(3, STEPS), f"save:{saved}"]
        np.testing.assert_allclose(driver.steps(tmp_path / "artifact", X, Y, *words), expected, rtol=LOSS_TOLERANCE)
        assert_same(python, saved)


@pytest.mark.parametrize("schedule", ["slice", "full"])
def test_adam_agrees_with_python_on_the_same_kernels(schedule: str, driver: Driver, library: Path, tmp_path: Path) -> None:
    """Not with bodies: Adam divides by the root of a tiny variance, and makes of rounding a step as long as any other."""
    artifact = wide_artifact(tmp_path, optimizer="adam", schedule=schedule)
    artifact.save(tmp_path / "artifact")
    _, expected = in_python(artifact, X, Y, STEPS, kernels=library)
    losses = driver.steps(tmp_path / "artifact", X, Y, "--threads", "1", "--kernels", str(library), *commands(3, STEPS))
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)


@pytest.mark.parametrize("loss", ["mean-squared-error", "binary-cross-entropy"])
def test_targets_that_are_numbers(driver: Driver, library: Path, tmp_path: Path, loss: str) -> None:
    artifact = artifact_of(tmp_path, loss=loss)
    artifact.save(tmp_path / "artifact")
    x, _ = blobs(600)
    y = x[:, :4] / 4 if loss == "mean-squared-error" else (x[:, :4] > 0).astype(np.float32)
    python, expected = in_python(artifact, x, y, 90)
    words = ["--threads", "1", "--kernels", str(library), *commands(3, 90), f"save:{tmp_path / 'saved'}", "evaluate"]
    losses = driver.steps(tmp_path / "artifact", x, y, *words)
    np.testing.assert_allclose(losses, [*expected, python.evaluate(x, y).loss], rtol=LOSS_TOLERANCE)


def test_wide_layers_differ_in_no_more_than_one_sign_in_ten_thousand(driver: Driver, library: Path, tmp_path: Path) -> None:
    artifact, x, y = wide_layers(tmp_path)
    python, expected = in_python(artifact, x, y, STEPS)
    words = ["--threads", "1", "--kernels", str(library), *commands(3, STEPS), f"save:{tmp_path / 'saved'}"]
    np.testing.assert_allclose(driver.steps(tmp_path / "artifact", x, y, *words), expected, rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


def test_a_rate_that_is_one_per_cent_off_would_be_seen(driver: Driver, library: Path, tmp_path: Path) -> None:
    artifact = wide_artifact(tmp_path)
    artifact.save(tmp_path / "artifact")
    _, expected = in_python(artifact, X, Y, STEPS)
    words = ["--threads", "1", "--kernels", str(library), "settings:10:1.01:0", *commands(3, STEPS)]
    losses = driver.steps(tmp_path / "artifact", X, Y, *words)
    assert np.abs(np.array(losses) / expected - 1).max() > 10 * LOSS_TOLERANCE


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_what_was_read_is_written_as_the_same_bytes(optimizer: str, driver: Driver, library: Path, tmp_path: Path) -> None:
    trainer = Trainer(wide_artifact(tmp_path, optimizer=optimizer), kernels=None)
    trainer.fit(X[:200], Y[:200], normalization=None, epochs=1, rate=1e-2, rotate_every=3)
    trainer.save(tmp_path / "run")
    driver.run(tmp_path / "run", X, Y, "--kernels", str(library), "--resume", f"save:{tmp_path / 'copy'}")
    for path in (path for path in (tmp_path / "run").rglob("*") if path.is_file()):
        assert (tmp_path / "copy" / path.relative_to(tmp_path / "run")).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("options", [{}, {"schedule": "full"}], ids=name_of)
def test_a_run_passes_from_one_side_to_another(options: dict[str, Any], driver: Driver, library: Path, tmp_path: Path) -> None:
    """Python with bodies, C++ with kernels, Python with kernels, C++ with bodies, and again: as if all were Python's."""
    x, y = samples(800)
    artifact = wide_artifact(tmp_path, **options)
    _, expected = in_python(artifact, x, y, 240)
    trainer = Trainer(artifact, kernels=None)
    trainer.save(tmp_path / "run")
    losses: list[float] = []
    for turn in range(24):
        block, first = divmod(turn, 8)
        first *= 10
        if turn % 2:
            words = [
                "--threads",
                "1",
                "--kernels",
                str(library) if turn % 4 == 1 else "none",
                "--resume",
                f"steps:{first}:{first + 10}",
            ]
            words += [*(["next"] if first == 70 else []), f"save:{tmp_path / 'run'}"]
            losses += driver.steps(tmp_path / "run", x, y, *words)
            continue
        trainer = Trainer.load(tmp_path / "run", kernels=library if turn % 4 == 2 else None, threads=1)
        assert trainer.progress.block == block
        losses += [trainer.partial_fit(x[i : i + BATCH], y[i : i + BATCH]) for i in range(first * 10, first * 10 + 100, BATCH)]
        trainer.save(tmp_path / "run")
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)


def test_a_fixed_set_is_learnt_with_bits_in_the_cache(driver: Driver, library: Path, tmp_path: Path) -> None:
    """Whether the cache holds all or nothing, and with a stop on the way."""
    wide_artifact(tmp_path).save(tmp_path / "artifact")
    options = ("--kernels", str(library), "--threads", "1", "--cache")
    straight = driver.steps(tmp_path / "artifact", X, Y, *options, "100000000", "settings:2:1:0", "fit")
    assert driver.steps(tmp_path / "artifact", X, Y, *options, "1", "settings:2:1:0", "fit") == straight
    first = driver.steps(
        tmp_path / "artifact", X, Y, *options, "1", "settings:2:1:0", "fit:150", f"save:{tmp_path / 'run'}", "evaluate"
    )[:-1]
    assert first + driver.steps(tmp_path / "run", X, Y, *options, "1", "--resume", "fit") == straight


def test_predictions_and_measures_agree(driver: Driver, library: Path, tmp_path: Path) -> None:
    trainer = Trainer(wide_artifact(tmp_path), kernels=None).fit(X[:200], Y[:200], normalization=None, epochs=2)
    trainer.save(tmp_path / "saved")
    words = ("--kernels", str(library), "--resume", "scores", "predict", "evaluate", "info")
    scores, labels, measures, info = driver.run(tmp_path / "saved", X, Y, *words)
    np.testing.assert_allclose(np.reshape(scores, (-1, 4)), trainer.scores(X), rtol=1e-4, atol=1e-5)
    assert np.array_equal(labels, trainer.predict(X))
    assert measures["accuracy"] == pytest.approx(trainer.evaluate(X, Y).accuracy)
    assert info["kernels"] == 1


def test_the_loader_s_own_library_is_taken_where_it_can_be_used(driver: Driver, library: Path, tmp_path: Path) -> None:
    wide_artifact(tmp_path).save(tmp_path / "artifact")
    local_artifact(tmp_path).save(tmp_path / "local")

    def has_kernels(artifact: str, *words: str) -> int:
        return int(driver.run(tmp_path / artifact, X, Y, *words, "info")[0]["kernels"])

    assert has_kernels("artifact") == 0
    (driver.folder / "lib" / "libtinyfoa_ops.so").symlink_to(library)  # beside libonnxruntime.so
    assert has_kernels("artifact") == has_kernels("artifact", "--kernels", "auto") == 1
    assert has_kernels("artifact", "--kernels", "none") == 0
    assert has_kernels("local") == 0
    (failure,) = driver.run(tmp_path / "local", X, Y, "--kernels", str(library))
    assert failure["status"] == 2 and "dense layers only" in failure["message"]


def test_what_is_no_library_ends_in_a_status_and_a_line(sanitized: Driver, library: Path, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    content = library.read_bytes()
    damaged = {
        "empty": b"",
        "text": b"no library",
        "header": content[:40],
        "start": content[:2000],
        "half": content[: len(content) // 2],
        "end": content[:-5000],
        "machine": content[:18] + b"\xff\xff" + content[20:],
        "sections": content[:40] + b"\xff" * 8 + content[48:],
        "segments": content[:32] + b"\xff" * 8 + content[40:],
        "segment": content[:64] + b"\xff" * 56 + content[120:],
    }
    x, y = blobs(60)
    for name, wrong in damaged.items():
        path = tmp_path / f"{name}.so"
        path.write_bytes(wrong)
        (failure,) = sanitized.run(tmp_path / "artifact", x, y, "--kernels", str(path))
        assert failure["status"] == 4, name
        assert "cannot be loaded" in failure["message"] or "are cut short" in failure["message"], failure
        assert "\n" not in failure["message"] and failure["message"].startswith(f"kernels {path}: ")
    shutil.copy(sanitized.library, tmp_path / "onnxruntime.so")
    for path, problem in ((tmp_path / "none.so", "cannot be read (No such file"), (tmp_path, "is a folder, no regular file")):
        (failure,) = sanitized.run(tmp_path / "artifact", x, y, "--kernels", str(path))
        assert failure["status"] == 4 and problem in failure["message"]
    (failure,) = sanitized.run(tmp_path / "artifact", x, y, "--kernels", str(tmp_path / "onnxruntime.so"), "steps:0:1")
    assert failure["status"] == 4 and "are no library of operators" in failure["message"]


def test_a_head_that_holds_no_signs_is_refused(sanitized: Driver, library: Path, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    head = np.ones((4, 16), np.int8)
    head[2, 5] = 0
    put_initial(tmp_path / "artifact", "fc1#head", head)
    (failure,) = sanitized.run(tmp_path / "artifact", *blobs(60), "--kernels", str(library))
    assert failure["status"] == 4 and "tensor 'fc1#head': holds something other than -1 and 1" in failure["message"]


@pytest.mark.parametrize("bits", ["", "0", "-1", "17,17", "33", "99999999999999999999", "many", None])
def test_bits_that_do_not_fit_their_words_are_refused(bits: str | None, sanitized: Driver, library: Path, tmp_path: Path) -> None:
    """How many bits a row has is metadata, and untrusted: a word holds up to 32."""
    artifact = artifact_of(tmp_path)
    artifact.save(tmp_path / "artifact")
    model = onnx.load_model_from_string(artifact.models["packed/steps/2.onnx"])
    (entry,) = (each for each in model.metadata_props if each.key == "tinyfoa.bits.relu1_out")
    if bits is None:
        model.metadata_props.remove(entry)
    else:
        entry.value = bits
    put_file(tmp_path / "artifact", "packed/steps/2.onnx", model.SerializeToString())
    step, failure = sanitized.run(tmp_path / "artifact", *blobs(60), "--kernels", str(library), "steps:0:1", "next", "steps:0:1")
    assert step["loss"] > 0
    assert failure["status"] == 4 and "inputs of another type or size than the manifest says" in failure["message"]


def test_training_with_kernels_is_clean(sanitized: Driver, library: Path, tmp_path: Path) -> None:
    """Under AddressSanitizer: turns, predictions, a fixed set, saving and going on."""
    wide_artifact(tmp_path, slices="3x2", optimizer="momentum").save(tmp_path / "artifact")
    words = ["steps:0:9", "predict", "steps:9:12", "next", "steps:0:3", f"save:{tmp_path / 'run'}"]
    sanitized.run(tmp_path / "artifact", X, Y, "--kernels", str(library), *words)
    lines = sanitized.run(tmp_path / "run", X[:100], Y[:100], "--kernels", str(library), "--resume", "fit", "evaluate")
    assert not [line for line in lines if "status" in line]


def packed_steps(driver: Driver, artifact: Path, library: Path, *words: str) -> list[Any]:
    return driver.run(artifact, X, Y, "--threads", "1", "--kernels", str(library), *words)


def test_the_budget_counts_bits(driver: Driver, library: Path, tmp_path: Path) -> None:
    """One byte less than a step needs ends it, and what a step holds falls by the signs' seven eighths and more."""
    artifact = wide_artifact(tmp_path)
    artifact.save(tmp_path / "artifact")
    (packed,) = packed_steps(driver, tmp_path / "artifact", library, "--budget", "100000000", "steps:0:1")
    (plain,) = driver.run(tmp_path / "artifact", X, Y, "--threads", "1", "--budget", "100000000", "steps:0:1")
    part = artifact.blocks[0].layers[0]
    signs = part.ins[1] * part.outs[1]
    assert plain["bytes"] - packed["bytes"] > 0.8 * signs
    needed = packed["bytes"]
    assert packed_steps(driver, tmp_path / "artifact", library, "--budget", str(needed), "steps:0:1") == [packed]
    (failure,) = packed_steps(driver, tmp_path / "artifact", library, "--budget", str(needed - 1), "steps:0:1")
    assert failure["status"] == 3 and "budget exceeded" in failure["message"]


def test_a_training_goes_on_after_a_budget_was_exceeded(driver: Driver, library: Path, tmp_path: Path) -> None:
    wide_artifact(tmp_path).save(tmp_path / "artifact")
    generous = ("--budget", "100000000")
    ample = packed_steps(driver, tmp_path / "artifact", library, *generous, "steps:0:8")
    for share in (0.5, 0.9, 0.99):
        run, budget = tmp_path / f"run-{share}", str(int(share * ample[4]["bytes"]))
        packed_steps(driver, tmp_path / "artifact", library, *generous, "steps:0:4", f"save:{run}")
        (failure,) = packed_steps(driver, run, library, "--budget", budget, "--resume", "steps:4:5", f"save:{run}")
        assert failure["status"] == 3
        assert packed_steps(driver, run, library, *generous, "--resume", "steps:4:8") == ample[4:]


def test_onnxruntime_1_19_takes_the_same_steps(driver: Driver, oldest: Driver, library: Path, tmp_path: Path) -> None:
    wide_artifact(tmp_path).save(tmp_path / "artifact")
    words = ("--budget", "100000000", *commands(3, STEPS), "evaluate")
    expected = packed_steps(driver, tmp_path / "artifact", library, *words)
    found = packed_steps(oldest, tmp_path / "artifact", library, *words)
    np.testing.assert_allclose([line["loss"] for line in found], [line["loss"] for line in expected], rtol=LOSS_TOLERANCE)


@pytest.mark.parametrize("options", OPTIONS[:4], ids=name_of)
def test_200_steps_agree_on_aarch64(options: dict[str, Any], aarch64: Driver, aarch64_library: Path, tmp_path: Path) -> None:
    """NEON kernels, emulated."""
    artifact = wide_artifact(tmp_path, **options)
    artifact.save(tmp_path / "artifact")
    python, expected = in_python(artifact, X, Y, STEPS)
    words = ["--threads", "1", "--kernels", str(aarch64_library), *commands(3, STEPS), f"save:{tmp_path / 'saved'}"]
    np.testing.assert_allclose(aarch64.steps(tmp_path / "artifact", X, Y, *words), expected, rtol=LOSS_TOLERANCE)
    assert_same(python, tmp_path / "saved")


def test_the_kernels_of_another_processor_are_refused(driver: Driver, aarch64_library: Path, tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    (failure,) = driver.run(tmp_path / "artifact", *blobs(60), "--kernels", str(aarch64_library))
    assert failure["status"] == 4 and "cannot be loaded" in failure["message"]


def test_plain_kernels_give_the_same_numbers(driver: Driver, library: Path, tmp_path: Path) -> None:
    wide_artifact(tmp_path).save(tmp_path / "artifact")
    fastest = packed_steps(driver, tmp_path / "artifact", library, "steps:0:20", "next", "steps:0:20")
    plain = replace(driver, env={**driver.env, "TINYFOA_OPS_KERNELS": "swar"})
    assert packed_steps(plain, tmp_path / "artifact", library, "steps:0:20", "next", "steps:0:20") == fastest
