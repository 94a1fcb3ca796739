"""A SPEC that names no data is refused with what it could be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.run.data.data_files import refusal
from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.run.data import load_data


def test_digits() -> None:
    data = load_data("digits")
    assert (data.x_train.shape, data.x_test.shape) == ((1438, 8, 8), (359, 8, 8))
    assert (str(data.x_train.dtype), int(data.x_train.max()), data.num_classes) == ("uint8", 16, 10)
    assert np.bincount(data.y_test).min() >= 34


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UsageError, match=r"needs scikit-learn, which is not installed; pip install scikit-learn$"):
        load_data("digits")


@pytest.mark.parametrize("spec", ["nowhere", "nowhere.npz", "nowhere.csv", "", "a\0b", "x" * 5000])
def test_data_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert "'digits'" in refusal(spec)


def test_an_unknown_ending(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(b"a")
    with pytest.raises(UsageError, match=r"unknown ending '\.mat'; give a folder"):
        load_data(str(tmp_path / "a.mat"))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x04N.")  # the Python version of CIFAR is pickled
    assert "holds no train-images-idx3-ubyte[.gz], data_batch_1.bin, train.bin or x_train.npy" in refusal(tmp_path)


def test_data_need_numpy_only() -> None:
    code = "import sys, tinyfoa_rt.run.data\nprint([m for m in ('onnx', 'sklearn', 'networkx', 'click') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
