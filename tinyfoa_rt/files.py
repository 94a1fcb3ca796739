"""Writes files so that they are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from tinyfoa_rt.errors import InputError

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: even after a power cut the file is the old one or the new one.

    Raises:
        InputError: the folder is not there or cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(str(path), f"cannot be written ({error.strerror})", "name a file in a folder that exists") from error
