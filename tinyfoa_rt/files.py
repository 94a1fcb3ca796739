"""Files from outside are regular files of a known size; files that we write are there whole or not at all.

A folder may come from somebody else, an artifact say: nothing in it is reached through a link, which may lead out of it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.units import format_nbytes

__all__ = ["Append", "append_whole", "below", "make_folder", "read_whole", "reading", "replacing", "sync_folder", "write_whole"]

Append = Callable[["bytes | memoryview"], None]

# Without O_BINARY, Windows would change line ends. A pipe that takes a file's place after it was looked at is not waited for.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | _NO_LINK
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | _NO_LINK

# macOS refuses to write more than 2 GiB in one call.
_LARGEST_WRITE = 2**30

_NAME_A_FILE = "name a file in a folder that exists"


@contextlib.contextmanager
def reading(path: Path, mend: str, *, largest: int, follows_links: bool = True) -> Iterator[io.BufferedReader]:
    """Open a file for reading; what fails in the block with an ``OSError`` becomes an error of the file.

    Args:
        path: of a regular file: a pipe or a device may never end.
        mend: what a message says to do.
        largest: bytes that the file may have.
        follows_links: whether the file itself may be a link; one in a folder from outside may lead out of it.

    Raises:
        InputError: it is missing, no regular file, larger than ``largest``, or cannot be read.
    """
    try:
        if "\0" in str(path):
            raise InputError(str(path), "cannot be read (a name holds no NUL)", mend)
        _check(path, path.stat() if follows_links else path.lstat(), mend, largest)
        flags = _READ if follows_links else _READ | _NO_LINK
        with open(os.open(path, flags), "rb") as file:
            _check(path, os.fstat(file.fileno()), mend, largest)
            yield file
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", mend) from error


def read_whole(path: Path, mend: str, *, largest: int, follows_links: bool = True) -> bytes:
    """Return the bytes of a file; arguments and errors are those of :func:`reading`."""
    with reading(path, mend, largest=largest, follows_links=follows_links) as file:
        return file.read(os.fstat(file.fileno()).st_size)


def below(folder: Path, name: str, mend: str) -> Path:
    """Return the path of ``name``, with / between its parts, in ``folder``.

    Raises:
        InputError: a part of ``name`` leads out of ``folder``, or is a link, which may.
    """
    parts = PurePosixPath(name).parts
    if not parts or any(part in ("..", "/") or set(part) & set("\0\\:") for part in parts):
        raise InputError(f"{folder}, '{name}'", "lies outside the folder", mend)
    path = folder
    for part in parts:
        path /= part
        if path.is_symlink():
            raise InputError(str(path), "is a link, which may lead out of its folder", mend)
    return path


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, and wait until their names are on the disk.

    Raises:
        InputError: it cannot be made.
    """
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(folder), f"cannot be made ({error.strerror})", "name a folder that can be written to") from error
    for path in missing:
        sync_folder(path.parent)


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
        InputError: the folder is not there or cannot be written to, the disk is full, or ``path`` is a link or a device.
    """
    _check_replaceable(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = _open_new(temporary)
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
        raise InputError(str(path), f"cannot be written ({error.strerror})", _NAME_A_FILE) from error
    sync_folder(path.parent)


def append_whole(path: Path, content: bytes) -> None:
    """Add ``content`` to a file, which is made where there is none, with a single write.

    Raises:
        InputError: it cannot be written, or is a link, a pipe or the like.
    """
    _check_replaceable(path)
    try:
        with open(os.open(path, _APPEND, 0o666), "ab", buffering=0) as file:
            written = file.write(content)
    except OSError as error:
        raise InputError(str(path), f"cannot be written ({error.strerror})", _NAME_A_FILE) from error
    if written != len(content):
        raise InputError(str(path), "cannot be written (the disk is full)", _NAME_A_FILE)


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


def _check(path: Path, status: os.stat_result, mend: str, largest: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError(str(path), f"is {_kind(status)}, no regular file", mend)
    if status.st_size > largest:
        raise InputError(str(path), f"is larger than {format_nbytes(largest)}", mend)


def _check_replaceable(path: Path) -> None:
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return  # nothing is there, or opening will say what is wrong
    if not stat.S_ISREG(status.st_mode):
        raise InputError(str(path), f"is {_kind(status)}, which is not written to", "name a file")


def _kind(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return "a folder"
    return "a link" if stat.S_ISLNK(status.st_mode) else "a pipe or a device"


def _open_new(temporary: Path) -> int:
    try:
        return os.open(temporary, _NEW, 0o666)
    except FileExistsError:  # of a process that was killed, and had the number of this one
        os.unlink(temporary)
        return os.open(temporary, _NEW, 0o666)


def _append(descriptor: int, content: bytes | memoryview) -> None:
    view = memoryview(content)
    rest = view.cast("B") if view.nbytes else b""
    while rest:
        rest = rest[os.write(descriptor, rest[:_LARGEST_WRITE]) :]
