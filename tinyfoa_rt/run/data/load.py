"""Finds out what a data SPEC names and reads it."""

from __future__ import annotations

from pathlib import Path

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.data.cifar import CIFAR10_TEST, CIFAR100_TRAIN, load_cifar10_folder, load_cifar100_folder
from tinyfoa_rt.run.data.data_set import DataSet
from tinyfoa_rt.run.data.digits import load_digits
from tinyfoa_rt.run.data.idx import TRAIN_IMAGES, load_idx_folder
from tinyfoa_rt.run.data.npz import load_npz
from tinyfoa_rt.run.data.table import load_csv

__all__ = ["load_data"]

_FORMS = "give a folder of idx or CIFAR binary files, an .npz, a .csv or 'digits'"


def load_data(spec: str) -> DataSet:
    """Read the data that ``spec`` names.

    Args:
        spec: ``digits``; a folder of idx files (named as in MNIST) or of the CIFAR-10 or CIFAR-100 binary version; an
            ``.npz`` or a ``.csv`` file. A ``.csv``, ``digits`` and an ``.npz`` without a test part are split: a fifth of
            each class, drawn with seed 0, is for testing.

    Raises:
        UsageError: ``spec`` is no form of data.
        InputError: the data are missing, damaged, or not fit for training.
    """
    if spec == "digits":
        return load_digits()
    path = Path(spec)
    try:
        if path.is_dir():
            return _load_folder(path)
        is_file = path.is_file()
    except (OSError, ValueError) as error:  # a NUL, a name that is too long, a folder that may not be listed
        raise InputError(f"data '{spec}'", "cannot be read", _FORMS) from error
    if path.suffix.lower() not in (".npz", ".csv"):
        if is_file:
            raise UsageError(f"data '{spec}'", f"has the unknown ending '{path.suffix}'", _FORMS)
        raise InputError(f"data '{spec}'", "is not there", _FORMS)
    if not path.exists():
        raise InputError(f"data '{spec}'", "is not a file that is there", _FORMS)
    return load_npz(path) if path.suffix.lower() == ".npz" else load_csv(path)


def _load_folder(folder: Path) -> DataSet:
    names = {path.name for path in folder.iterdir()}
    if names & {TRAIN_IMAGES, f"{TRAIN_IMAGES}.gz"}:
        return load_idx_folder(folder)
    if CIFAR10_TEST in names or any(name.startswith("data_batch_") and name.endswith(".bin") for name in names):
        return load_cifar10_folder(folder)
    if CIFAR100_TRAIN in names:
        return load_cifar100_folder(folder)
    problem = f"holds no {TRAIN_IMAGES}[.gz], data_batch_1.bin or {CIFAR100_TRAIN}"
    raise InputError(f"data '{folder}'", problem, _FORMS)
