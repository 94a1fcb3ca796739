"""Writes files so that they are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tinyfoa_rt.errors import InputError

__all__ = ["Append", "replacing", "sync_folder", "write_whole"]

Append = Callable[["bytes | memoryview"], None]

# Without O_BINARY, Windows would change line ends; a link in place of the temporary file is not followed.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)

# macOS refuses to write more than 2 GiB in one call.
_LARGEST_WRITE = 2**30


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: even after a power cut the file is the old one or the new one.

    Raises:
        InputError: the folder is not there or cannot be written to.
    """
    with replacing(path) as append:
        append(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Append]:
    """Yield a function that appends bytes to a new file, which takes the place of ``path`` when the block ends.

    Even after a power cut the file is the old one or the new one, and once the block has ended it is the new one. The old one
    stays if the block raises.

    Raises:
        InputError: the folder is not there or cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, _NEW, 0o666)
        try:
            try:
                yield partial(_append, descriptor)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(str(path), f"cannot be written ({error.strerror})", "name a file in a folder that exists") from error
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until new, renamed and removed names in ``folder`` are on the disk; Windows has no such call and does so itself.

    Raises:
        InputError: the folder is not there, or the disk failed.
    """
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot: it has written the names already
            raise InputError(str(folder), f"cannot be written ({error.strerror})", "name a folder on a sound disk") from error


def _append(descriptor: int, content: bytes | memoryview) -> None:
    view = memoryview(content)
    rest = view.cast("B") if view.nbytes else b""
    while rest:
        rest = rest[os.write(descriptor, rest[:_LARGEST_WRITE]) :]
