"""Finds out what a data SPEC names and reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.data.cifar import CIFAR10_TEST, CIFAR100_TRAIN, load_cifar10_folder, load_cifar100_folder
from tinyfoa_rt.run.data.data_set import DataSet, Inputs
from tinyfoa_rt.run.data.digits import load_digits
from tinyfoa_rt.run.data.idx import TRAIN_IMAGES, load_idx_folder
from tinyfoa_rt.run.data.npy_folder import is_npy_folder, load_npy_folder, read_npy_folder
from tinyfoa_rt.run.data.npz import load_npz, read_npz
from tinyfoa_rt.run.data.table import load_table, read_samples

__all__ = ["load_data", "load_samples"]

_FORMS = "give a folder of idx, CIFAR binary or .npy files, an .npz, a .csv, a .tsv or 'digits'"
_TABLES = (".csv", ".tsv")


def load_data(spec: str | Path, label: str | None = None) -> DataSet:
    """Read the data that ``spec`` names.

    Args:
        spec: ``digits``; a folder of idx files (named as in MNIST), of the CIFAR-10 or CIFAR-100 binary version, or of ``.npy``
            files; an ``.npz``, a ``.csv`` or a ``.tsv`` file. A table, ``digits`` and arrays without a test part are split: a
            fifth of each class, drawn with seed 0, is for testing.
        label: the column of a table that holds the labels, by name or by number from 1; the last one without it.

    Raises:
        UsageError: ``spec`` is no form of data, or ``label`` no column of it.
        InputError: the data are missing, damaged, or not fit for training.
    """
    if label is not None and Path(spec).suffix.lower() not in _TABLES:
        raise UsageError(f"--label {label}", "is the column of a table, .csv or .tsv", "leave it out")
    if spec == "digits":
        return load_digits()
    path = _path(spec)
    if path.is_dir():
        return _load_folder(path)
    return load_npz(path) if path.suffix.lower() == ".npz" else load_table(path, label)


def load_samples(spec: str | Path, num_features: int, label: str | None = None) -> tuple[Inputs, NDArray[Any] | None]:
    """Read all samples of a file or a folder, without a split, and their labels where there are any.

    Args:
        spec: an ``.npz``, a table, or a folder of ``.npy`` files.
        num_features: of a sample. A table with one more column has labels in it.
        label: the column of a table that holds the labels; the last one without it.

    Raises:
        UsageError: ``spec`` has no such form.
        InputError: the data are missing, damaged, or hold no samples.
    """
    path = Path(spec)
    if path.is_dir() and is_npy_folder(path):
        return read_npy_folder(path)
    path = _path(spec)
    if path.suffix.lower() == ".npz":
        return read_npz(path)
    if path.suffix.lower() in _TABLES:
        return read_samples(path, num_features, label)
    raise UsageError(f"data '{spec}'", "is a set for training", "give an .npz, a .csv, a .tsv or a folder of .npy files")


def _path(spec: str | Path) -> Path:
    """Where the data are.

    Raises:
        UsageError: a file of another form.
        InputError: nothing is there.
    """
    path = Path(spec)
    try:
        if path.is_dir():
            next(path.iterdir(), None)
            return path
        is_file = path.is_file()
    except (OSError, ValueError) as error:  # a NUL, a name that is too long, a folder that may not be listed
        raise InputError(f"data '{spec}'", "cannot be read", _FORMS) from error
    is_known = path.suffix.lower() in (".npz", *_TABLES)
    if is_file and not is_known:
        raise UsageError(f"data '{spec}'", f"has the unknown ending '{path.suffix}'", _FORMS)
    if not is_file:
        raise InputError(f"data '{spec}'", "is not a file that is there" if is_known else "is not there", _FORMS)
    return path


def _load_folder(folder: Path) -> DataSet:
    names = {path.name for path in folder.iterdir()}
    if names & {TRAIN_IMAGES, f"{TRAIN_IMAGES}.gz"}:
        return load_idx_folder(folder)
    if CIFAR10_TEST in names or any(name.startswith("data_batch_") and name.endswith(".bin") for name in names):
        return load_cifar10_folder(folder)
    if CIFAR100_TRAIN in names:
        return load_cifar100_folder(folder)
    if is_npy_folder(folder):
        return load_npy_folder(folder)
    problem = f"holds no {TRAIN_IMAGES}[.gz], data_batch_1.bin, {CIFAR100_TRAIN} or x_train.npy"
    raise InputError(f"data '{folder}'", problem, _FORMS)
