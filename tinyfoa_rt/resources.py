"""Finds the data folders ``graphs`` and ``targets``, in a wheel and in a checkout alike."""

from __future__ import annotations

from pathlib import Path

__all__ = ["resource_path"]

_PACKAGE = Path(__file__).resolve().parent


def resource_path(relative: str) -> Path:
    """Return the path of a data file or folder, such as ``graphs/models``.

    A wheel carries the folders inside the package, under ``_data``; an editable install finds them beside the package.
    """
    shipped = _PACKAGE / "_data"
    root = shipped if shipped.is_dir() else _PACKAGE.parent
    path = root / relative
    assert path.exists(), f"{relative} is missing from this installation"
    return path
