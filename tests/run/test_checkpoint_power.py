"""A checkpoint is the old one or the new one, whole, whenever the process is killed or the power is cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.run.power_cut import Disk, Killed, RecordedFolder
from tinyfoa_rt.artifact.checkpoint import MANIFEST, load_checkpoint, save_checkpoint
from tinyfoa_rt.artifact.tensor_file import write_tensors
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import write_whole

Save = Callable[[Path, int], None]
DAMAGED = -1


def save(folder: Path, step: int) -> None:
    save_checkpoint(folder, {"w": np.full(40, step, np.float32), "step": np.array(step)}, {"step": step}, "artifact")


def found(folder: Path) -> int:
    """The step of the checkpoint, 0 where there is none, or ``DAMAGED``."""
    if not (folder / MANIFEST).exists():
        return 0
    try:
        loaded = load_checkpoint(folder, "artifact")
    except InputError:
        return DAMAGED
    step = int(loaded.progress["step"])
    return step if (loaded.tensors["w"] == step).all() and loaded.tensors["step"] == step else DAMAGED


@contextmanager
def watched(folder: Path) -> Iterator[RecordedFolder]:
    folder.mkdir(parents=True, exist_ok=True)
    recorded = RecordedFolder(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        recorded.watch(monkeypatch)
        yield recorded


def found_on(disks: Iterable[Disk], scratch: Path) -> set[int]:
    """What is on each of the disks."""
    results = set()
    for number, disk in enumerate(disks):
        folder = scratch / f"disk-{number}"
        folder.mkdir(parents=True)
        for name, content in disk:
            (folder / name).write_bytes(content)
        results.add(found(folder))
    return results


def found_after_kills(save: Save, scratch: Path) -> list[int]:
    """What is there after a kill at each operation of the second save."""
    results: list[int] = []
    while True:
        folder = scratch / f"kill-{len(results)}"
        with watched(folder) as recorded:
            save(folder, 1)
            recorded.kill_at = recorded.num_operations + len(results)
            try:
                save(folder, 2)
            except Killed:
                results.append(found(folder))
                continue
        assert found(folder) == 2
        return results


def test_a_kill_at_any_operation_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    results = found_after_kills(save, tmp_path)
    assert len(results) > 12
    assert set(results) == {1, 2}
    assert results == sorted(results)


def test_a_kill_in_the_first_save_leaves_nothing_or_all(tmp_path: Path) -> None:
    for number in range(100):
        folder = tmp_path / str(number)
        with watched(folder) as recorded:
            recorded.kill_at = number
            try:
                save(folder, 1)
            except Killed:
                assert found(folder) in (0, 1)
                continue
        break
    assert number > 10
    assert found(folder) == 1


def test_after_a_kill_the_next_save_removes_what_was_left(tmp_path: Path) -> None:
    for number in range(len(found_after_kills(save, tmp_path / "first"))):
        folder = tmp_path / "first" / f"kill-{number}"
        save(folder, 3)
        assert found(folder) == 3
        assert len(list(folder.iterdir())) == 2


def test_a_power_cut_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    with watched(tmp_path / "folder") as recorded:
        for step in (1, 2, 3):
            recorded.disks.clear()
            save(recorded.folder, step)
            assert found_on(set().union(*recorded.disks), tmp_path / f"within-{step}") == {step - 1, step}
            assert found_on(recorded.possible_disks(), tmp_path / f"after-{step}") == {step}


def test_a_power_cut_after_a_kill_and_another_save(tmp_path: Path) -> None:
    """The names that the killed process left may not be on the disk while the next one builds on them."""
    for number in range(len(found_after_kills(save, tmp_path / "first"))):
        folder = tmp_path / f"second-{number}"
        with watched(folder) as recorded:
            save(folder, 1)
            recorded.kill_at = recorded.num_operations + number
            with pytest.raises(Killed):
                save(folder, 2)
            recorded.kill_at = None
            recorded.disks.clear()
            save(folder, 3)
        assert found_on(set().union(*recorded.disks), tmp_path / f"third-{number}") <= {1, 2, 3}


def test_a_full_disk_leaves_the_old_checkpoint_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)
    before = sorted(tmp_path.iterdir())

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(InputError, match="No space left"):
        save(tmp_path, 2)
    assert sorted(tmp_path.iterdir()) == before
    assert found(tmp_path) == 1


# Saves in a wrong order, which the tests above must see.


def save_removing_first(folder: Path, step: int) -> None:
    for path in folder.glob("state-*"):
        os.unlink(path)
    save(folder, step)


def save_manifest_first(folder: Path, step: int) -> None:
    """Write the right manifest, then the tensors that it names."""
    aside = folder.with_name(f"{folder.name}-aside")
    aside.mkdir(exist_ok=True)
    save(aside, step)
    (name,) = (path.name for path in aside.glob("state-*"))
    write_whole(folder / MANIFEST, (aside / MANIFEST).read_bytes())
    write_whole(folder / name, (aside / name).read_bytes())


def save_in_place(folder: Path, step: int) -> None:
    """Write tensors over those of the old checkpoint."""
    if not (folder / MANIFEST).exists():
        return save(folder, step)
    name = json.loads((folder / MANIFEST).read_text())["file"]
    write_tensors(folder / name, {"w": np.full(40, step, np.float32), "step": np.array(step)}, {})
    return save(folder, step)


@pytest.mark.parametrize("wrong", [save_removing_first, save_manifest_first, save_in_place])
def test_a_wrong_order_is_seen(wrong: Save, tmp_path: Path) -> None:
    assert DAMAGED in found_after_kills(wrong, tmp_path)


def test_a_missing_sync_is_seen(tmp_path: Path) -> None:
    with watched(tmp_path / "folder") as recorded:
        save(recorded.folder, 1)
        recorded.is_syncing = False
        save(recorded.folder, 2)
    assert DAMAGED in found_on(set().union(*recorded.disks), tmp_path)


def test_a_missing_sync_of_the_folder_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyfoa_rt.files.sync_folder", lambda folder: None)
    monkeypatch.setattr("tinyfoa_rt.artifact.checkpoint.sync_folder", lambda folder: None)
    with watched(tmp_path / "folder") as recorded:
        save(recorded.folder, 1)
        save(recorded.folder, 2)
    assert DAMAGED in found_on(set().union(*recorded.disks), tmp_path)
