"""One training a folder: a lock that the system lifts when its process ends, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tinyfoa_rt.errors import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["lock_folder"]

_NAME = ".training.lock"


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let no other process train into ``folder`` while the block runs; folders made for it go again if nothing is written there.

    Raises:
        InputError: another process is at it, or the folder cannot be written to.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        descriptor = _lock(folder)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open; it is as good as none
                os.unlink(folder / _NAME)
            os.close(descriptor)
    finally:
        with contextlib.suppress(OSError):  # the first one that is not empty
            for path in made:
                path.rmdir()


def _lock(folder: Path) -> int:
    """Return the descriptor of the locked file: the one in the folder, not one that its last holder has just removed."""
    path = folder / _NAME
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            mend = "name a folder that can be written to"
            raise InputError(str(folder), f"cannot be written ({error.strerror})", mend) from error
        try:
            _take(descriptor)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise InputError(str(folder), "is in use by another training", "wait for it, or name another folder") from error
        os.close(descriptor)


def _take(descriptor: int) -> None:
    """Lock an open file.

    Raises:
        OSError: another process has it.
    """
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
