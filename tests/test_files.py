"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import replacing, write_whole


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder that exists"):
        write_whole(tmp_path / "none" / "file", b"")


def test_pieces_are_appended_and_a_failing_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as append:
        append(b"one ")
        append(memoryview(bytearray(b"two")))
        append(b"")
        assert not path.exists()
    assert path.read_bytes() == b"one two"
    with pytest.raises(KeyError), replacing(path) as append:
        append(b"three")
        raise KeyError
    assert path.read_bytes() == b"one two"
    assert list(tmp_path.iterdir()) == [path]
