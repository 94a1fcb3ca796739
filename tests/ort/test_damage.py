"""Files that are missing, damaged or lead elsewhere: a status and a line, under AddressSanitizer."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import attacks
from tests.ort.changed_artifacts import change, put_initial
from tests.ort.driver import Driver
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.artifact.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run import Trainer

X, Y = blobs(24)
INPUT = 4
Damage = Callable[[Path], Any]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    trainer = Trainer(artifact_of(folder, optimizer="momentum"))
    trainer.partial_fit(X, Y)
    trainer.save(folder / "run")
    return folder / "run"


def refusal(driver: Driver, folder: Path, *words: str) -> str:
    """The one line with which the folder is refused."""
    (line,) = driver.run(folder, X, Y, *words)
    assert line["status"] == INPUT, line
    message = str(line["message"])
    assert "\n" not in message and "; " in message, message
    return message


def link(path: Path) -> None:
    outside = path.parents[2] / "outside"
    shutil.move(path, outside)
    path.symlink_to(outside)


def change_progress(folder: Path, *keys: str, value: Any) -> None:
    """Set a field of a checkpoint's progress, with the right size and hash."""
    state = next(folder.glob("state-*"))
    stored = read_tensors(state)
    progress = json.loads(stored.metadata["progress"])
    place = progress
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    write_tensors(state, stored.tensors, {"progress": json.dumps(progress)})
    sign(folder, state)


def change_next(folder: Path, name: str, of: str) -> None:
    """Call an output of the steps the next value of another tensor."""
    names = [each["name"] for each in json.loads((folder / "manifest.json").read_text())["tensors"]]
    change(folder / "manifest.json", "tensors", names.index(name), "next_of", value=of)


def change_layer(folder: Path, key: str, value: Any) -> None:
    change(folder / "manifest.json", "blocks", 0, "layers", 0, key, value=value)


def enlarge_layer(folder: Path) -> None:
    change_layer(folder, "outs", [0, 2**62])
    change_layer(folder, "shape", [12, 2**62])
    change_layer(folder, "turns", 1)


MANIFESTS: dict[str, tuple[Damage, str]] = {
    "missing": (lambda f: (f / "manifest.json").unlink(), "cannot be read"),
    "no json": (lambda f: (f / "manifest.json").write_text("{"), "is no JSON"),
    "deep": (lambda f: (f / "manifest.json").write_text("[" * 100_000), "nested too deep"),
    "deep object": (lambda f: (f / "manifest.json").write_text('{"a":' * 100_000), "nested too deep"),
    "no utf-8": (lambda f: (f / "manifest.json").write_bytes(b'{"a": "\xff"}'), "not UTF-8"),
    "half a character": (lambda f: (f / "manifest.json").write_text('{"a": "\\ud800"}'), "half a character"),
    "twice": (lambda f: (f / "manifest.json").write_text('{"a": 1, "a": 2}'), "twice"),
    "huge number": (lambda f: (f / "manifest.json").write_text('{"a": 1e999}'), "too large"),
    "huge": (lambda f: (f / "manifest.json").write_bytes(b" " * (2**24 + 1)), "is larger than"),
    "version": (lambda f: change(f / "manifest.json", "format", value="tinyfoa-artifact/4"), "is not 'tinyfoa-artifact/5'"),
    "lacks": (lambda f: change(f / "manifest.json", "loss"), "lacks 'loss'"),
    "unknown": (lambda f: change(f / "manifest.json", "more", value=1), "unknown key 'more'"),
    "type": (lambda f: change(f / "manifest.json", "batch", value="6"), "batch: is no whole number"),
    "batch 0": (lambda f: change(f / "manifest.json", "batch", value=0), "batch: is no whole number from 1"),
    "batch": (lambda f: change(f / "manifest.json", "batch", value=2**40), "has no input"),
    "outputs": (lambda f: change(f / "manifest.json", "num_outputs", value=5), "of another type or size"),
    "choice": (
        lambda f: change(f / "manifest.json", "loss", "prediction", value="guess"),
        "prediction: is 'guess'; use largest or sign or value",
    ),
    "prediction": (lambda f: change(f / "manifest.json", "loss", "prediction", value="sign"), "other than its labels are"),
    "rate": (lambda f: change(f / "manifest.json", "blocks", 0, "rate", "least_power", value=0), "least power of 0"),
    "fan in": (lambda f: change(f / "manifest.json", "blocks", 0, "rate", "fan_in", value=0), "no whole number from 1"),
    "bounds": (
        lambda f: change(f / "manifest.json", "blocks", 0, "layers", 0, "ins", value=[0, 8, 4]),
        "have the bounds [0, 8, 4]",
    ),
    "huge layer": (enlarge_layer, "another shape"),
    "shape": (lambda f: change_layer(f, "shape", [13, 16]), "is dense of the shape [13, 16]"),
    "kind": (lambda f: change_layer(f, "kind", "conv"), "is conv of the shape [12, 16]"),
    "input": (lambda f: change(f / "manifest.json", "blocks", 0, "inputs", value=["nothing"]), "has no input 'nothing'"),
    "layer": (lambda f: change(f / "manifest.json", "blocks", 0, "layers", 0, "name", value="none"), "is missing"),
    "stages": (lambda f: change(f / "manifest.json", "stages", value=[]), "do not fit together"),
    "unlisted": (lambda f: change(f / "manifest.json", "files", "steps/1.onnx"), "does not list"),
    "size": (lambda f: (f / "steps" / "1.onnx").write_bytes(b"1"), "holds 1 bytes"),
    "hash": (lambda f: change(f / "manifest.json", "files", "steps/1.onnx", "sha256", value="0" * 64), "is damaged"),
    "no hash": (lambda f: change(f / "manifest.json", "files", "steps/1.onnx", "sha256", value="0"), "has no size and SHA-256"),
    "initial": (lambda f: (f / "initial.safetensors").unlink(), "cannot be read"),
    "unlisted initial": (lambda f: change(f / "manifest.json", "files", "initial.safetensors"), "does not list"),
    "changed initial": (lambda f: (f / "initial.safetensors").write_bytes(b"1234"), "the manifest says"),
    "short initial": (lambda f: attacks.put_file(f, "initial.safetensors", b"1234"), "ends inside its header"),
    "long header": (lambda f: attacks.put_file(f, "initial.safetensors", b"\xff" * 64), "ends inside its header"),
    "weight": (lambda f: put_initial(f, "fc1#weight", np.zeros((12, 15), np.float32)), "another shape or type"),
    "weight type": (lambda f: put_initial(f, "fc1#weight", np.zeros((12, 16), np.float64)), "another shape or type"),
    "bias": (lambda f: put_initial(f, "fc1#bias", np.zeros(15, np.float32)), "expected float32[16]"),
    "scale": (lambda f: put_initial(f, "relu1_out#scale", np.zeros(2, np.float32)), "is no number"),
    "no head": (lambda f: put_initial(f, "fc1#head", None), "is missing"),
    "head": (lambda f: put_initial(f, "fc1#head", np.zeros((4, 17), np.int8)), "the state has int8[4, 17]"),
    "no scores": (lambda f: change(f / "manifest.json", "blocks", 0, "scores", value=""), "is trained without scores"),
    "several slices": (
        lambda f: change(f / "manifest.json", "blocks", 0, "slice_step", value="steps/9.onnx"),
        "moves several slices a step, which needs Python's trainer",
    ),
    "kept learns": (lambda f: change_next(f, "fc1#bias_slice#next", "#head"), "the state has int8[4, 16]"),
    "kept": (lambda f: change(f / "manifest.json", "blocks", 0, "kept", value=["#tail"]), "tensor 'fc1#tail': is missing"),
    "other step": (lambda f: attacks.put_file(f, "steps/1.onnx", (f / "steps" / "3.onnx").read_bytes()), "has no input 'input'"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_artifacts(name: str, saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    damage, expected = MANIFESTS[name]
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    damage(folder)
    assert expected in refusal(sanitized, folder, "steps:0:1")


def test_a_loss_of_another_package_is_trained_and_not_measured(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    change(tmp_path / "run" / "manifest.json", "loss", "name", value="hinge")
    step, failure = sanitized.run(tmp_path / "run", X, Y, "steps:0:1", "evaluate")
    assert 0 < step["loss"] < 10
    assert failure["status"] == INPUT and "loss hinge: is not measured by this trainer" in failure["message"]


def test_a_step_that_is_no_model(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    attacks.put_file(tmp_path / "run", "steps/1.onnx", b"no protobuf of a location")
    assert "steps/1.onnx: is no ONNX model" in refusal(sanitized, tmp_path / "run", "steps:0:1")
    attacks.put_file(tmp_path / "run", "steps/1.onnx", b"no protobuf")
    (line,) = sanitized.run(tmp_path / "run", X, Y, "steps:0:1")
    assert line["status"] == 1 and line["message"].startswith("steps/1.onnx: ")


def test_a_manifest_names_no_other_path(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    (tmp_path / "out.onnx").write_bytes((saved / "steps" / "1.onnx").read_bytes())
    manifest = (tmp_path / "run" / "manifest.json").read_bytes()
    for path in attacks.PATHS:
        for attack in (attacks.rename_model, lambda folder, name: attacks.list_file(folder, name, b"")):
            attack(tmp_path / "run", path)
            assert "is no path of a" in refusal(sanitized, tmp_path / "run", f"save:{tmp_path / 'new'}")
            (tmp_path / "run" / "manifest.json").write_bytes(manifest)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("part", [*attacks.LINKS, "checkpoint"])
def test_links_are_not_followed(part: str, saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    attacks.make_link(tmp_path / "run", part)
    assert "is a link" in refusal(sanitized, tmp_path / "run", "--resume")


@pytest.mark.parametrize("part", ["steps", "packed", "packed/steps", "checkpoint", "inference.onnx", "manifest.json"])
def test_a_link_in_the_output_leads_nowhere(part: str, saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    new = tmp_path / "new"
    (new / part).parent.mkdir(parents=True)
    (new / part).symlink_to(tmp_path / "outside")
    assert "is a link" in refusal(sanitized, saved, f"save:{new}")
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("where", ["initializer", "sparse", "attribute", "subgraph", "function", "training", "operator"])
def test_graphs_hold_their_data(where: str, saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    for path in ("steps/1.onnx", "packed/steps/2.onnx", "inference.onnx"):
        original = (tmp_path / "run" / path).read_bytes()
        attacks.put_file(tmp_path / "run", path, attacks.with_external_data(original, where, "secret.bin"))
        assert "another file" in refusal(sanitized, tmp_path / "run", "info")
        attacks.put_file(tmp_path / "run", path, original)


def test_every_file_has_its_hash(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != "inference.onnx"]
    for path in files:
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        refusal(sanitized, tmp_path / "run", "--resume")
        path.write_bytes(content)
    assert not sanitized.run(tmp_path / "run", X, Y, "--resume")


CHECKPOINTS: dict[str, tuple[Damage, str]] = {
    "missing": (lambda f: (f / "checkpoint.json").unlink(), "cannot be read"),
    "no json": (lambda f: (f / "checkpoint.json").write_text("{"), "is damaged"),
    "version": (lambda f: change(f / "checkpoint.json", "format", value="tinyfoa-checkpoint/1"), "is not of the format"),
    "artifact": (lambda f: change(f / "checkpoint.json", "artifact", value="b2"), "belongs to another artifact"),
    "unknown": (lambda f: change(f / "checkpoint.json", "more", value=1), "unknown key"),
    "bytes": (lambda f: change(f / "checkpoint.json", "bytes", value=True), "is no whole number"),
    "size": (lambda f: change(f / "checkpoint.json", "bytes", value=3), "the checkpoint says 3"),
    "hash": (lambda f: change(f / "checkpoint.json", "sha256", value="0" * 64), "SHA-256"),
    "outside": (lambda f: change(f / "checkpoint.json", "file", value="../state-000001.safetensors"), "no file of a checkpoint"),
    "absolute": (lambda f: change(f / "checkpoint.json", "file", value="/etc/passwd"), "no file of a checkpoint"),
    "other": (lambda f: change(f / "checkpoint.json", "file", value="state-000009.safetensors"), "cannot be read"),
    "linked state": (lambda f: link(next(f.glob("state-*"))), "is a link"),
    "linked": (lambda f: link(f / "checkpoint.json"), "is a link"),
    "block": (lambda f: change_progress(f, "block", value=4), "beyond the last block"),
    "step": (lambda f: change_progress(f, "step", value=-1), "step: is no whole number"),
    "rate": (lambda f: change_progress(f, "rates", "fc1", value="1"), "rates, fc1: is no number"),
    "turns": (
        lambda f: change_progress(f, "settings", "rotate_every", value=0),
        "rotate_every: is no whole",
    ),
    "std": (
        lambda f: change_progress(f, "normalization", value={"mean": 0, "std": 0, "axis": 1}),
        "normalization: is not",
    ),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(name: str, saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    damage, expected = CHECKPOINTS[name]
    shutil.copytree(saved, tmp_path / "run")
    damage(tmp_path / "run" / "checkpoint")
    assert expected in refusal(sanitized, tmp_path / "run", "--resume")


def test_the_folder_is_not_refused_by_the_changes_themselves(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    manifest, checkpoint = tmp_path / "run" / "manifest.json", tmp_path / "run" / "checkpoint" / "checkpoint.json"
    change(manifest, "format", value="tinyfoa-artifact/5")
    change(checkpoint, "format", value="tinyfoa-checkpoint/4")
    change(checkpoint, "artifact", value=hashlib.sha256(manifest.read_bytes()).hexdigest())
    lines = sanitized.run(tmp_path / "run", X, Y, "--resume", "steps:0:2", "fit:9", "evaluate", f"save:{tmp_path / 'out'}")
    assert not [line for line in lines if "status" in line]


def test_tensors_with_the_right_hash_are_checked_still(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    folder = tmp_path / "run" / "checkpoint"
    state = next(folder.glob("state-*"))
    stored = read_tensors(state)
    tensors = stored.tensors
    for broken, expected in (
        ({**tensors, "fc1#weight": np.zeros((16, 12), np.float32)}, "is float32[16, 12], expected float32[12, 16]"),
        ({name: array for name, array in tensors.items() if name != "fc2#abs_sums"}, "is missing"),
    ):
        write_tensors(state, broken, stored.metadata)
        sign(folder, state)
        assert expected in refusal(sanitized, tmp_path / "run", "--resume")
    write_tensors(state, tensors, stored.metadata)
    content = state.read_bytes()
    header = int.from_bytes(content[:8], "little")
    state.write_bytes(content[: 8 + header] + b"\xff\xff\xff\x7f" + content[12 + header :])
    sign(folder, state)
    assert "holds NaN or Inf" in refusal(sanitized, tmp_path / "run", "--resume")


def sign(folder: Path, state: Path) -> None:
    """Make the checkpoint name the file's size and hash."""
    change(folder / "checkpoint.json", "bytes", value=state.stat().st_size)
    change(folder / "checkpoint.json", "sha256", value=hashlib.sha256(state.read_bytes()).hexdigest())


def test_random_changes_of_headers_end_in_a_line(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    """The header of the tensors, hash made right; either it is refused as Python refuses it, or it says the same."""
    rng = random.Random(0)
    source = next((saved / "checkpoint").glob("state-*")).read_bytes()
    length = 8 + int.from_bytes(source[:8], "little")
    num_refused = 0
    for number in range(40):
        folder = tmp_path / f"run{number}"
        shutil.copytree(saved, folder)
        content = bytearray(source)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(length)] = rng.choice(b'0123456789[]{},:"\\F \xff')
        state = next((folder / "checkpoint").glob("state-*"))
        state.write_bytes(content)
        sign(folder / "checkpoint", state)
        lines = sanitized.run(folder, X, Y, "--resume")
        try:
            Trainer.load(folder)
            assert not lines, lines
        except InputError:
            assert [line["status"] for line in lines] == [INPUT], content[:length]
            num_refused += 1
        shutil.rmtree(folder)
    assert num_refused > 20


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (X[:0], Y[:0], "has no samples"),
        (X, np.full(24, 4), "data, row 0: label 4 is outside 0 to 3"),
        (X, np.full(24, -1), "label -1"),
        (np.where(np.arange(12) == 5, np.nan, X).astype(np.float32), Y, "holds NaN or Inf"),
        (X, X[:, :4], "has no labels"),
    ],
    ids=["none", "large", "negative", "nan", "no labels"],
)
def test_samples(x: Any, y: Any, expected: str, saved: Path, sanitized: Driver) -> None:
    (line,) = sanitized.run(saved, x, y, "fit")
    assert line["status"] == INPUT and expected in line["message"]


@pytest.mark.parametrize("options", [{"order": "interleaved"}, {"schedule": "freeze-diagonal"}], ids=str)
def test_what_is_not_trained_here_says_so(options: dict[str, Any], sanitized: Driver, tmp_path: Path) -> None:
    artifact_of(tmp_path, **options).save(tmp_path / "artifact")
    failure, measures = sanitized.run(tmp_path / "artifact", X, Y, "steps:0:1", "evaluate")
    assert failure["status"] == INPUT and "train this artifact in Python" in failure["message"]
    assert 0 <= measures["accuracy"] <= 1


def test_a_folder_that_cannot_be_written(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (line,) = sanitized.run(saved, X, Y, f"save:{tmp_path / 'file' / 'folder'}")
    assert line["status"] == INPUT and "cannot be made" in line["message"]


def test_a_diverged_training_does_not_replace_a_checkpoint(saved: Path, sanitized: Driver, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "run")
    before = (tmp_path / "run" / "checkpoint" / "checkpoint.json").read_bytes()
    words = ["--resume", "block:2", "settings:1:1e300:0", "steps:0:20", f"save:{tmp_path / 'run'}"]
    lines = sanitized.run(tmp_path / "run", X, Y, *words)
    assert "lower the rate" in lines[-1]["message"]
    assert (tmp_path / "run" / "checkpoint" / "checkpoint.json").read_bytes() == before
    assert Trainer.load(tmp_path / "run").progress.total_steps == 4
