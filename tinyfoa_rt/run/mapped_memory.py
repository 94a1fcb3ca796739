"""Arrays in memory-mapped files: the operating system may take their RAM back at any time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError

__all__ = ["mapped_array"]


def mapped_array(shape: tuple[int, ...], dtype: np.dtype[Any], folder: str | Path | None) -> NDArray[Any]:
    """Return an array in a new file, which has no name and so goes with the process.

    Args:
        shape: of the array.
        dtype: of its elements.
        folder: where the file lies; ``None`` for the system's temporary folder.

    Raises:
        InputError: the folder cannot be written, or is full.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        place = str(folder or tempfile.gettempdir())
        raise InputError(place, f"cannot hold a file ({error.strerror})", "name a folder on a disk with room") from error
