"""The binary version of CIFAR: rows of label bytes and pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.run.data.data_files import cifar_rows, refusal
from tinyfoa_rt.run.data import load_data


def cifar10(folder: Path, *, batches: tuple[int, ...] = (1, 2)) -> Path:
    for number in batches:
        (folder / f"data_batch_{number}.bin").write_bytes(cifar_rows(20, 1, 10, seed=number).tobytes())
    (folder / "test_batch.bin").write_bytes(cifar_rows(10, 1, 10, seed=9).tobytes())
    return folder


def cifar100(folder: Path, *, train: bytes | None = None) -> Path:
    (folder / "train.bin").write_bytes(cifar_rows(200, 2, 100).tobytes() if train is None else train)
    (folder / "test.bin").write_bytes(cifar_rows(100, 2, 100, seed=1).tobytes())
    return folder


def test_cifar10_files_are_joined_in_order(tmp_path: Path) -> None:
    data = load_data(str(cifar10(tmp_path)))
    rows = np.concatenate([cifar_rows(20, 1, 10, seed=1), cifar_rows(20, 1, 10, seed=2)])
    np.testing.assert_array_equal(data.x_train, rows[:, 1:].reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(data.y_train, rows[:, 0])
    assert data.num_classes == 10
    np.testing.assert_allclose(data.normalization.mean, data.x_train.mean(axis=(0, 2, 3)), rtol=1e-12)


def test_cifar100_has_the_fine_labels_and_stays_on_disk(tmp_path: Path) -> None:
    data = load_data(str(cifar100(tmp_path)))
    rows = cifar_rows(200, 2, 100)
    np.testing.assert_array_equal(data.x_train, rows[:, 2:].reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(data.y_train, rows[:, 1])
    assert isinstance(data.x_train, np.memmap)
    assert data.num_classes == 100


@pytest.mark.slow
@pytest.mark.parametrize(("name", "per_class"), [("cifar10", 1000), ("cifar100", 100)])
def test_the_real_sets(published: Callable[[str], Path], name: str, per_class: int) -> None:
    data = load_data(str(published(name)))
    assert (data.x_train.shape, data.x_test.shape) == ((50_000, 3, 32, 32), (10_000, 3, 32, 32))
    assert set(np.bincount(data.y_test).tolist()) == {per_class}
    assert isinstance(data.normalization.mean, tuple)
    # The blue channel is the darkest in both sets.
    assert int(np.argmin(data.normalization.mean)) == 2


def test_rows_that_are_not_whole(tmp_path: Path) -> None:
    folder = cifar100(tmp_path, train=cifar_rows(3, 2, 100).tobytes()[:-1])
    assert "train.bin: holds 9,221 bytes, not a whole number of rows of 3,074" in refusal(folder)
    assert "train.bin: holds 0 bytes" in refusal(cifar100(tmp_path, train=b""))


def test_a_label_out_of_range(tmp_path: Path) -> None:
    rows = cifar_rows(20, 1, 10)
    rows[7, 0] = 10
    folder = cifar10(tmp_path)
    (folder / "data_batch_2.bin").write_bytes(rows.tobytes())
    assert "data_batch_2.bin, row 7: label 10 is outside 0 to 9" in refusal(folder)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = cifar10(tmp_path, batches=(1, 3))
    assert "holds no data_batch_2.bin" in refusal(folder)
    (folder / "data_batch_3.bin").unlink()
    (folder / "test_batch.bin").unlink()
    assert "test_batch.bin: cannot be read (No such file or directory)" in refusal(folder)
