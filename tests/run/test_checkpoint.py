"""A checkpoint is loaded as it was saved, or refused with one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyfoa_rt.artifact.checkpoint import MANIFEST, load_checkpoint, save_checkpoint
from tinyfoa_rt.artifact.tensor_file import write_tensors
from tinyfoa_rt.errors import InputError

PROGRESS = {"step": 12, "block": "hidden", "seed": 2**127 - 1, "rate": 0.1, "order": [3, 1, 2], "best": None}


def save(folder: Path, value: float = 1.0) -> None:
    save_checkpoint(folder, {"w": np.full((2, 3), value, np.float32), "count": np.array(5, np.int32)}, PROGRESS, "a1")


def state_file(folder: Path) -> Path:
    (path,) = folder.glob("state-*")
    return path


def refusal(folder: Path, artifact: str = "a1") -> str:
    with pytest.raises(InputError) as caught:
        load_checkpoint(folder, artifact)
    assert caught.value.exit_status == 4
    assert caught.value.mend
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(folder: Path, **fields: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    kept = {key: value for key, value in {**manifest, **fields}.items() if value is not ...}
    (folder / MANIFEST).write_text(json.dumps(kept))


def test_round_trip(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    save(folder)
    loaded = load_checkpoint(folder, "a1")
    assert loaded.progress == PROGRESS
    assert loaded.tensors["w"].tolist() == [[1.0] * 3] * 2
    assert loaded.tensors["count"] == 5
    loaded.tensors["w"][:] = 0


def test_the_newest_replaces_the_one_before(tmp_path: Path) -> None:
    for value in (1.0, 2.0, 3.0):
        save(tmp_path, value)
    assert load_checkpoint(tmp_path, "a1").tensors["w"][0, 0] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, "state-000003.safetensors"]


def test_remains_go_and_files_of_others_stay(tmp_path: Path) -> None:
    theirs = {"metrics.jsonl", "state-7.safetensors", "state-000001.safetensors.txt", "estate-000001.safetensors"}
    for name in theirs | {"state-000007.safetensors", ".state-000008.safetensors.42", f".{MANIFEST}.42"}:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "state-000009.safetensors").mkdir()
    save(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == theirs | {MANIFEST, "state-000009.safetensors", state_file_name(tmp_path)}


def state_file_name(folder: Path) -> str:
    return str(json.loads((folder / MANIFEST).read_text())["file"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"format": "tinyfoa-checkpoint/1"}, "has the format 'tinyfoa-checkpoint/1'"),
        ({"format": ...}, "has the format 'None'"),
        ({"artifact": "b2"}, "belongs to another artifact ('b2', not 'a1')"),
        ({"artifact": 3}, "'artifact' is missing or of the wrong type"),
        ({"bytes": ...}, "'bytes' is missing"),
        ({"bytes": True}, "'bytes' is missing or of the wrong type"),
        ({"more": 1}, "unknown fields"),
        ({"bytes": 3}, "holds 152 bytes, the manifest says 3"),
        ({"sha256": "0" * 64}, "is damaged (its SHA-256 differs"),
        ({"file": "../state-000001.safetensors"}, "no file of a checkpoint in this folder"),
        ({"file": "/etc/passwd"}, "no file of a checkpoint in this folder"),
        ({"file": "state-000001.safetensors\n"}, "no file of a checkpoint in this folder"),
        ({"file": "state-000009.safetensors"}, "No such file"),
    ],
)
def test_a_changed_manifest(fields: dict[str, Any], expected: str, tmp_path: Path) -> None:
    save(tmp_path)
    nbytes = state_file(tmp_path).stat().st_size
    change(tmp_path, **fields)
    assert expected.replace("152", str(nbytes)) in refusal(tmp_path)


def test_the_right_manifest_is_not_refused_by_the_change_itself(tmp_path: Path) -> None:
    save(tmp_path)
    change(tmp_path)
    load_checkpoint(tmp_path, "a1")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), "No such file"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "is damaged: it is no JSON"),
        (lambda folder: (folder / MANIFEST).write_text("[" * 100_000), "nested too deep"),
        (lambda folder: (folder / MANIFEST).write_bytes(b" " * (2**24 + 1)), "is larger than 16"),
        (lambda folder: state_file(folder).unlink(), "No such file"),
    ],
)
def test_damage(damage: Callable[[Path], object], expected: str, tmp_path: Path) -> None:
    save(tmp_path)
    damage(tmp_path)
    assert expected in refusal(tmp_path)


def test_every_changed_bit_of_the_tensors_is_seen(tmp_path: Path) -> None:
    save(tmp_path)
    path = state_file(tmp_path)
    content = path.read_bytes()
    for position in range(0, len(content), 7):
        path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        assert "SHA-256" in refusal(tmp_path)


def test_tensors_with_the_right_hash_are_checked_still(tmp_path: Path) -> None:
    save(tmp_path)
    path = state_file(tmp_path)
    write_tensors(path, {"w": np.zeros(3)}, {})
    path.write_bytes(path.read_bytes()[:-8] + b"\xff" * 8)
    change(tmp_path, bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert "holds NaN or Inf" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [({}, "does not say how far"), ({"progress": "{"}, "does not say how far"), ({"progress": "[]"}, "does not say how far")],
)
def test_progress_with_the_right_hash_is_checked_still(metadata: dict[str, str], expected: str, tmp_path: Path) -> None:
    save(tmp_path)
    digest = write_tensors(state_file(tmp_path), {"w": np.zeros(3)}, metadata)
    change(tmp_path, bytes=digest.nbytes, sha256=digest.sha256)
    assert expected in refusal(tmp_path)


def test_every_changed_character_of_the_manifest_is_seen(tmp_path: Path) -> None:
    save(tmp_path)
    content = (tmp_path / MANIFEST).read_bytes()
    for position in range(len(content)):
        (tmp_path / MANIFEST).write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        assert refusal(tmp_path)


@pytest.mark.parametrize("which", ["folder", "manifest", "state"])
def test_links_are_not_followed(which: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    save(folder)
    path = {"folder": folder, "manifest": folder / MANIFEST, "state": state_file(folder)}[which]
    path.rename(outside)
    path.symlink_to(outside)
    assert "is a link" in refusal(folder)


def test_a_damaged_checkpoint_is_replaced_by_the_next(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    save(tmp_path, 2.0)
    assert load_checkpoint(tmp_path, "a1").tensors["w"][0, 0] == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_a_diverged_training_does_not_replace_a_checkpoint(tmp_path: Path) -> None:
    save(tmp_path)
    with pytest.raises(InputError, match="lower the rate"):
        save(tmp_path, np.nan)
    assert load_checkpoint(tmp_path, "a1").tensors["w"][0, 0] == 1


def test_progress_that_is_no_json_fails_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds NaN or Inf; the training has diverged"):
        save_checkpoint(tmp_path, {}, {"loss": float("nan")}, "a1")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be made"):
        save(tmp_path / "file" / "folder")
