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
from tinyfoa_rt.run.data import load_data

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
    with pytest.raises(InputError, match="take the argmax of one-hot rows"):
        load_data(str(saved(tmp_path, x_train=X, y_train=np.eye(3, dtype=np.int64)[np.arange(60) % 3])))


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
