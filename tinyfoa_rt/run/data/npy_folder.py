"""A folder of arrays, x_train.npy, y_train.npy and so on, memory-mapped: sets that are larger than RAM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.run.data.data_set import DataSet, Inputs
from tinyfoa_rt.run.data.named_arrays import join_arrays, whole_arrays
from tinyfoa_rt.run.data.npy import map_array

__all__ = ["is_npy_folder", "load_npy_folder", "read_npy_folder"]

_SAVE = "write x_train.npy, y_train.npy, x_test.npy and y_test.npy with numpy.save, or x.npy and y.npy"


def is_npy_folder(folder: Path) -> bool:
    """Whether arrays lie in a folder."""
    return bool(_names(folder))


def load_npy_folder(folder: Path) -> DataSet:
    """Read a set (see :func:`~tinyfoa_rt.run.data.named_arrays.join_arrays`).

    Raises:
        InputError: an array is missing or damaged, or the data do not pass ``join``.
    """
    return join_arrays(folder, _names(folder), lambda name: map_array(folder / f"{name}.npy"), _SAVE)


def read_npy_folder(folder: Path) -> tuple[Inputs, NDArray[Any] | None]:
    """Read all samples, and their labels where there are any (see :func:`~tinyfoa_rt.run.data.named_arrays.whole_arrays`).

    Raises:
        InputError: as :func:`load_npy_folder`.
    """
    return whole_arrays(folder, _names(folder), lambda name: map_array(folder / f"{name}.npy"), _SAVE)


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir() if path.suffix == ".npy")
