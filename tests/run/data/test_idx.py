"""idx files: what was written is read; a header is believed only where the file bears it out."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from tests.run.data.data_files import IDX_NAMES, idx_bytes, images, labels, refusal, write_idx_folder
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import load_data
from tinyfoa_rt.run.data.idx import read_idx

IDX_ARRAYS = st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]).flatmap(
    lambda dtype: arrays_of.arrays(np.dtype(dtype), arrays_of.array_shapes(max_dims=4, max_side=5))
)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder(tmp_path: Path, packed: bool) -> None:
    data = load_data(str(write_idx_folder(tmp_path / "small", packed=packed)))
    np.testing.assert_array_equal(data.x_train, images(12))
    np.testing.assert_array_equal(data.x_test, images(6, seed=1))
    np.testing.assert_array_equal(data.y_train, labels(12))
    assert (data.name, data.num_classes, str(data.y_train.dtype), str(data.x_train.dtype)) == ("small", 3, "int64", "uint8")
    assert isinstance(data.x_train, np.memmap) is not packed


def test_mnist(published: Callable[[str], Path]) -> None:
    data = load_data(str(published("mnist")))
    assert (data.x_train.shape, data.x_test.shape, data.num_classes) == ((60_000, 28, 28), (10_000, 28, 28), 10)
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The figures that are in use for MNIST, in units of a byte.
    assert data.normalization.mean == pytest.approx(0.1307 * 255, abs=0.02)
    assert data.normalization.std == pytest.approx(0.3081 * 255, abs=0.02)


@given(array=IDX_ARRAYS, packed=st.booleans())
def test_round_trip(tmp_path: Path, array: np.ndarray, packed: bool) -> None:
    content = idx_bytes(array)
    path = tmp_path / ("array.gz" if packed else "array")
    path.unlink(missing_ok=True)
    path.write_bytes(gzip.compress(content) if packed else content)
    read = read_idx(path)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@given(
    content=st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: b"\0\0\x08\x01\0\0\0" + tail),
    kind=st.sampled_from(["plain", "packed", "raw.gz"]),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / ("fuzz" if kind == "plain" else "fuzz.gz")
    path.unlink(missing_ok=True)
    path.write_bytes(gzip.compress(content) if kind == "packed" else content)
    try:
        array = read_idx(path)
    except InputError as error:
        assert "\n" not in str(error) and path.name in str(error)
    else:
        assert len(content) == 4 + 4 * array.ndim + array.nbytes


@given(where=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), is_cut=st.booleans())
def test_a_damaged_gz_is_read_right_or_refused(tmp_path: Path, where: float, value: int, is_cut: bool) -> None:
    packed = bytearray(gzip.compress(idx_bytes(images(12)), mtime=0))
    at = int(where * len(packed))
    packed[at] ^= value
    path = tmp_path / "damaged.gz"
    path.write_bytes(packed[:at] if is_cut else packed)
    try:
        # What is left to change is in the gzip header: a time, a name, the system.
        np.testing.assert_array_equal(read_idx(path), images(12))
    except InputError as error:
        assert "damaged.gz" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no idx file"),
        (b"\0\0\x08", "is no idx file"),
        (b"\x80\0\x08\x01\0\0\0\x01a", "is no idx file: it begins with '80 00 08 01'"),
        (b"\0\0\x07\x01\0\0\0\x01a", "is no idx file"),
        (b"\0\0\x08\0", "is no idx file"),
        (b"\0\0\x08\xff" + bytes(1020), "is no idx file"),
        (b"\0\0\x08\x03\0\0\0\x01", "ends inside its header"),
        (b"\0\0\x08\x03\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "is empty"),
        (idx_bytes(images(12))[:-1], "144"),
        (idx_bytes(images(12)) + b"\0", "144"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, problem: str, packed: bool) -> None:
    line = refusal(write_idx_folder(tmp_path / "small", packed=packed, train_images=content))
    assert line.startswith(IDX_NAMES[0])
    assert problem in line


def test_a_size_is_checked_before_memory_is_taken(tmp_path: Path) -> None:
    huge = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"a"
    assert "its header says" in refusal(write_idx_folder(tmp_path / "plain", train_images=huge))
    assert "packed bytes can hold" in refusal(write_idx_folder(tmp_path / "packed", packed=True, train_images=huge))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "small", packed=True)
    # A header of one byte and 64 MiB of zeros behind it: read to the second byte.
    (folder / f"{IDX_NAMES[0]}.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x01" + bytes(2**26), 1))
    assert "goes on after the 1 bytes" in refusal(folder)


def test_what_unpacks_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyfoa_rt.run.data.stream.LARGEST_NBYTES", 100)
    assert "unpacks to 144 B, the limit is 100 B" in refusal(write_idx_folder(tmp_path / "small", packed=True))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "small")
    (folder / IDX_NAMES[3]).unlink()
    assert f"small: holds no {IDX_NAMES[3]}" in refusal(folder)


def test_more_labels_than_images(tmp_path: Path) -> None:
    folder = write_idx_folder(tmp_path / "small", train_labels=idx_bytes(labels(13)))
    assert "has 12 samples and 13 labels" in refusal(folder)
