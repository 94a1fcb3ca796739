"""An .npz is read without evaluating or unpickling anything in it."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.run.data.data_files import arrays, images, labels, refusal
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import load_data


def npy(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header.encode() + content


def npz_with(path: Path, x_train: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive whose x_train.npy holds the given bytes."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x_train.npy", x_train)
        y = io.BytesIO()
        np.save(y, labels(12))
        archive.writestr("y_train.npy", y.getvalue())
    return path


def saved(path: Path, save: Callable[..., None] = np.savez, **changed: Any) -> Path:
    save(path, **{**arrays(), **changed})
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_four_arrays(tmp_path: Path, save: Callable[..., None]) -> None:
    data = load_data(str(saved(tmp_path / "a.npz", save)))
    for name, array in arrays().items():
        np.testing.assert_array_equal(getattr(data, name), array)
    assert (data.name, str(data.x_train.dtype), str(data.y_test.dtype)) == ("a", "uint8", "int64")


@pytest.mark.parametrize("dtype", [">f4", "<f2", "<f8", "<i4", ">u2", "?"])
def test_whole_numbers_stay_and_other_types_become_float32(tmp_path: Path, dtype: str) -> None:
    x = (images(12) % 2).astype(dtype)
    data = load_data(str(saved(tmp_path / "a.npz", x_train=np.asfortranarray(x), x_test=x[:6])))
    assert data.x_train.dtype == (x.dtype.newbyteorder("=") if x.dtype.kind in "biu" else np.float32)
    np.testing.assert_array_equal(data.x_train, x.astype(np.float32))


def test_whole_floats_are_labels(tmp_path: Path) -> None:
    data = load_data(str(saved(tmp_path / "a.npz", y_train=labels(12).astype(np.float32))))
    np.testing.assert_array_equal(data.y_train, labels(12))


def test_without_a_test_part_a_fifth_of_each_class_is_held_back(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=images(60), y_train=labels(60))
    data, again = (load_data(str(tmp_path / "a.npz")) for _ in range(2))
    assert np.bincount(data.y_train).tolist() == [16, 16, 16]
    assert np.bincount(data.y_test).tolist() == [4, 4, 4]
    np.testing.assert_array_equal(data.x_test, again.x_test)
    both = np.concatenate([data.x_train, data.x_test]).reshape(60, -1)
    assert sorted(map(bytes, both)) == sorted(map(bytes, images(60).reshape(60, -1)))


def test_colour_images_are_normalized_by_channel(tmp_path: Path) -> None:
    x = images(12, (3, 5, 4))
    data = load_data(str(saved(tmp_path / "a.npz", x_train=x, x_test=x[:6])))
    np.testing.assert_allclose(data.normalization.std, x.std(axis=(0, 2, 3)), rtol=1e-12)


def test_mitbih(published: Callable[[str], Path]) -> None:
    data = load_data(str(published("mitbih") / "mitbih.npz"))
    assert (data.x_train.shape, data.x_test.shape, data.num_classes) == ((55_345, 169), (54_146, 169), 5)
    assert data.x_train.dtype == np.float32
    assert 0 <= data.x_train.min() < data.x_train.max() <= 1


def with_nan(row: int) -> np.ndarray:
    x = images(12).astype(np.float32)
    x[row, 1, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"x_train": with_nan(5), "x_test": images(6).astype("f4")}, "a.npz, train set, row 5: holds NaN, Inf"),
        ({"x_train": images(12) * 1e39, "x_test": images(6) * 1.0}, "train set, row 0: holds NaN, Inf"),
        ({"y_train": labels(11)}, "train set: has 12 samples and 11 labels"),
        ({"y_train": np.eye(12)[:, :, None].astype(int)}, "labels have shape (12, 12, 1)"),
        ({"y_train": np.array(3)}, "labels have shape ()"),
        ({"y_train": np.full(12, np.nan)}, "train set, row 0: has a label that is NaN"),
        ({"y_train": labels(12) * 0}, "train set: all labels are 0"),
        ({"y_train": np.array(["a"] * 12), "y_test": np.array(["a"] * 6)}, "train set: all labels are 'a'"),
        ({"x_train": np.array([["a"]] * 12)}, "train set: has the type <U1"),
        ({"y_train": np.array(["a" * 2000] * 12)}, "y_train: holds texts of 8,000 bytes"),
        ({"x_train": np.array([None] * 12)}, "x_train: holds pickled objects"),
        ({"x_train": images(12) * 1j}, "x_train: has the type '<c16'"),
        ({"x_train": images(12)[:, 0, 0]}, "has shape (12,), expected an axis of samples and one of features"),
        ({"x_train": images(0)}, "x_train: is empty, shape (0, 4, 3)"),
        ({"x_train": images(12, (3, 4))}, "test set: samples have shape (4, 3), those of the training set (3, 4)"),
        ({"x_train": images(12) / 255}, "test set: samples are uint8, those of the training set float32"),
    ],
)
def test_refused_arrays(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    assert problem in refusal(saved(tmp_path / "a.npz", **changed))


def test_a_missing_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=images(12), y_train=labels(12), x_test=images(6))
    assert "a.npz: holds no array 'y_test'" in refusal(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=images(3))
    assert "a.npz: holds no array 'x_train'" in refusal(tmp_path / "a.npz")


class Trap:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")] * 12, dtype=object)
    assert "holds pickled objects" in refusal(saved(tmp_path / "a.npz", x_train=trap))
    assert not (tmp_path / "sprung").exists()


HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no array of numpy"),
        (b"\x80\x04N.", "is no array of numpy"),
        (npy(HEADER % ("|u1", "12, 3"), bytes(36), b"\x09\x00"), "is no array of numpy"),
        (npy("__import__('os')", bytes(36)), "has a header that is not that of a plain array"),
        (npy(HEADER % ("|u1", "1" * 4000)), "has a header that is not that of a plain array"),
        (npy(" " * 5000), "has a header that is not that of a plain array"),
        (npy(HEADER % ("<i9", "12, 3"), bytes(36)), "has the unknown type '<i9'"),
        (npy(HEADER % ("|u1", "1, " * 9)), "has 9 axes, the limit is 8"),
        (npy(HEADER % ("|u1", "12, 3"), bytes(35)), "x_train: ends after 35 of 36 bytes of data"),
        (npy(HEADER % ("|u1", "12, 3"), bytes(37)), "x_train: goes on after the 36 bytes"),
        (npy(HEADER % ("<f8", "12, 999999999999999999, 999999999999999999")), "packed bytes can hold"),
    ],
)
def test_refused_headers(tmp_path: Path, content: bytes, problem: str) -> None:
    assert problem in refusal(npz_with(tmp_path / "a.npz", content))


def test_refused_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"")
    assert "a.npz: is no whole .npz archive" in refusal(path)
    content = saved(path).read_bytes()
    path.write_bytes(content[:-30])
    assert "a.npz: is no whole .npz archive" in refusal(path)
    npz_with(path, npy(HEADER % ("|u1", "12, 3"), bytes(36)), zipfile.ZIP_LZMA)
    assert "is packed by a method other than deflate" in refusal(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyfoa_rt.run.data.stream.LARGEST_NBYTES", 2**20)
    bomb = npy(HEADER % ("|u1", f"12, {2**22}"), bytes(12 * 2**22))
    assert "x_train: unpacks to 48.0 MiB, the limit is 1.00 MiB" in refusal(npz_with(tmp_path / "a.npz", bomb))


EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4)


@given(edits=EDITS, packed=st.booleans())
def test_damaged_archives_are_read_right_or_refused(tmp_path: Path, edits: list[tuple[float, int]], packed: bool) -> None:
    path = saved(tmp_path / "a.npz", save=np.savez_compressed if packed else np.savez)
    content = bytearray(path.read_bytes())
    for where, value in edits:
        content[int(where * len(content))] ^= value
    path.write_bytes(content)
    try:
        data = load_data(str(path))
    except InputError as error:
        assert "\n" not in str(error) and "a.npz" in str(error)
    else:
        # Checksums leave only what does not matter, such as times; the test part is lost where both of its names are damaged.
        stored = {bytes(x) for x in arrays()["x_train"]}
        assert {bytes(x) for x in data.x_train} <= stored
