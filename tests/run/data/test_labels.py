"""Targets that are numbers: from an .npz, through training on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.small_models import mlp
from tinyfoa_rt.cli import main
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import load_data, load_samples

X = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)
Y = np.stack([X[:, 0], X[:, 1] * X[:, 2]], axis=1)


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def test_rows_of_numbers_are_targets(tmp_path: Path) -> None:
    data = load_data(str(saved(tmp_path, x_train=X, y_train=Y, x_test=X[:9], y_test=Y[:9])))
    assert data.num_classes == 0 and data.y_train.dtype == np.float32
    np.testing.assert_array_equal(data.y_train, Y)
    np.testing.assert_array_equal(data.y_test, Y[:9])


def test_a_fifth_is_held_back_where_there_is_no_test_part(tmp_path: Path) -> None:
    data = load_data(str(saved(tmp_path, x_train=X, y_train=Y)))
    assert (len(data.x_train), len(data.x_test)) == (48, 12)
    rows = {tuple(row) for row in np.concatenate([data.y_train, data.y_test])}
    assert rows == {tuple(row) for row in Y}


@pytest.mark.parametrize("form", ["npz", "npz-column", "csv"])
@pytest.mark.parametrize(("y", "is_real"), [(X[:, 0], True), (-np.floor(4 * abs(X[:, 0])), True), (X[:, 0] > 0, False)])
def test_one_output(form: str, y: NDArray[Any], is_real: bool, tmp_path: Path) -> None:
    """Whole numbers from 0 are class numbers, all others are targets; a column is a vector."""
    column = y.astype(np.float32).reshape(-1, 1)
    if form == "csv":
        np.savetxt(tmp_path / "data.csv", np.concatenate([X, column], axis=1), delimiter=",")
        data = load_data(str(tmp_path / "data.csv"))
    else:
        data = load_data(str(saved(tmp_path, x_train=X, y_train=column if form == "npz-column" else column[:, 0])))
    assert (data.num_classes == 0) == is_real
    assert data.y_train.shape == ((48, 1) if is_real else (len(data.x_train),))
    assert sorted(np.concatenate([data.y_train, data.y_test]).ravel()) == pytest.approx(sorted(column.ravel()))


def test_rows_of_zeros_and_ones_are_targets_unless_one_hot(tmp_path: Path) -> None:
    labels = (X[:, :3] > 0).astype(np.int64)
    data = load_data(str(saved(tmp_path, x_train=X, y_train=labels)))
    assert data.num_classes == 0 and data.y_train.shape == (48, 3) and data.y_train.dtype == np.float32
    classes = np.arange(60) % 3
    found, expected = (load_data(saved(tmp_path, x_train=X, y_train=y)) for y in (np.eye(3)[classes], classes))
    np.testing.assert_array_equal(found.y_train, expected.y_train)
    np.testing.assert_array_equal(found.x_train, expected.x_train)
    assert found.num_classes == 3


@pytest.mark.parametrize("dtype", ["U", "S"])
def test_names_are_classes_in_their_order(dtype: str, tmp_path: Path) -> None:
    names: NDArray[Any] = np.array(["run", "sit", "stand"])[np.arange(60) % 3].astype(dtype)
    data = load_data(saved(tmp_path, x=X, y=names[:, None]))
    assert data.label_map is not None and data.label_map.labels == ("run", "sit", "stand")
    assert (str(data.y_train.dtype), data.num_classes) == ("int64", 3)
    assert sorted(data.labels(data.y_test)) == ["run"] * 4 + ["sit"] * 4 + ["stand"] * 4


def test_numbers_that_are_no_class_numbers(tmp_path: Path) -> None:
    """They stay as they are: which class each is depends on the model."""
    data = load_data(saved(tmp_path, X=X, Y=np.array([-1.0, 1.0])[np.arange(60) % 2]))
    assert data.num_classes == 2 and set(data.y_train) == {-1, 1} and data.label_map is None


@pytest.mark.parametrize(
    ("y", "problem"),
    [
        (np.array(["a", ""])[np.arange(60) % 2], "row 1: has no label"),
        (np.array(["a", "b" * 257])[np.arange(60) % 2], "row 1: has a label of 257 characters"),
        (np.array([b"a", b"\xff"])[np.arange(60) % 2], "has labels that are no text"),
    ],
)
def test_what_is_no_name(y: NDArray[Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        load_data(saved(tmp_path, x=X, y=y))


def test_a_name_that_the_training_set_does_not_have(tmp_path: Path) -> None:
    y = np.array(["a", "b"])[np.arange(60) % 2]
    other = np.array(["a", "c"])[np.arange(9) % 2]
    with pytest.raises(InputError, match="test set, row 1: label 'c' is none of a, b"):
        load_data(saved(tmp_path, x_train=X, y_train=y, x_test=X[:9], y_test=other))
    with pytest.raises(InputError, match="test set: labels are numbers, those that the model has learnt names"):
        load_data(saved(tmp_path, x_train=X, y_train=y, x_test=X[:9], y_test=np.arange(9) % 2))


def test_a_folder_of_arrays_is_mapped(tmp_path: Path) -> None:
    """The same set as in an .npz; arrays without labels are samples."""
    for name, array in {"x_train": X, "y_train": Y, "x_test": X[:9], "y_test": Y[:9]}.items():
        np.save(tmp_path / f"{name}.npy", array)
    data = load_data(tmp_path)
    np.testing.assert_array_equal(data.x_train, X)
    np.testing.assert_array_equal(data.y_test, Y[:9].astype(np.float32))
    assert isinstance(data.x_train.base, np.memmap) or isinstance(data.x_train, np.memmap)
    (tmp_path / "x_test.npy").write_bytes((tmp_path / "x_test.npy").read_bytes()[:-4])
    with pytest.raises(InputError, match=r"x_test\.npy: has 428 bytes of data, its header says 432"):
        load_data(tmp_path)


def test_one_number_that_is_no_class_makes_targets_of_both_parts(tmp_path: Path) -> None:
    y = np.arange(60) % 3 * 1.0
    y[3] = 0.5
    data = load_data(str(saved(tmp_path, x_train=X[:40], y_train=y[:40], x_test=X[40:], y_test=y[40:])))
    assert data.y_train.shape == (40, 1) and data.y_test.shape == (20, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_row(value: float, tmp_path: Path) -> None:
    y = Y.copy()
    y[7, 1] = value
    with pytest.raises(InputError, match="train set, row 7: has a label that is NaN or infinite"):
        load_data(str(saved(tmp_path, x_train=X, y_train=y, x_test=X[:9], y_test=Y[:9])))


def test_other_shapes_in_the_test_part_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels have shape \(1,\), those of the training set \(2,\)"):
        load_data(str(saved(tmp_path, x_train=X, y_train=Y, x_test=X[:9], y_test=Y[:9, :1])))


def test_a_regression_trains_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind a frozen layer, which keeps real numbers: the loss falls to less than half of what the mean gives."""
    onnx.save(mlp((12, 24, 2)), tmp_path / "model.onnx")
    weights = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32)
    y = X @ weights
    path = saved(tmp_path, x_train=X, y_train=y, x_test=X[:20], y_test=y[:20])
    words = ["train", str(tmp_path / "model.onnx"), "--data", str(path), "--budget", "64KB", "--loss", "mean-squared-error"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--train", "last:1", "--binarize", "none", "--epochs", "200", "-o", str(tmp_path / "run")])
    out = capsys.readouterr().out
    assert not end.value.code and "accuracy" not in out
    loss = float(out.split("loss ")[1].split()[0].rstrip(","))
    assert loss < 0.5 * 0.5 * float(y.var())


@pytest.mark.parametrize("parts", [("_train", "_test"), ("_train",), ("_test",), ("",)])
def test_all_samples_of_a_file_whatever_parts_it_has(parts: tuple[str, ...], tmp_path: Path) -> None:
    whole: list[Any] = [np.split(X, len(parts)), np.split(np.arange(60), len(parts))]
    arrays = {f"{name}{part}": rows for name, split in zip("xy", whole) for part, rows in zip(parts, split)}
    x, y = load_samples(saved(tmp_path, **arrays), 12)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, np.arange(60))
