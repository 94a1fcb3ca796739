"""Kills and power cuts at every operation on files.

A kill stops a process: what it has done stays. A power cut is worse: bytes that were not synced may be there, in part or not at
all, and so may each name that was made, moved or removed since its folder was synced, in any combination.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Disk", "Killed", "RecordedFolder"]

Disk = tuple[tuple[str, bytes], ...]


class Killed(BaseException):
    """Stands for the end of the process: nothing that catches errors catches it."""


@dataclass(eq=False)
class _Inode:
    written: bytes = b""
    synced: bytes = b""

    def outcomes(self) -> set[bytes]:
        middle = (len(self.synced) + len(self.written) + 1) // 2
        return {self.synced, self.written, self.written[:middle]}


@dataclass
class RecordedFolder:
    """Follows what ``os`` does to the files of a folder.

    Attributes:
        folder: holds no folders; os.open, os.write, os.fsync, os.replace and os.unlink are seen, nothing else is.
        kill_at: number of the operation that kills the process; a write is then half done.
        num_operations: seen so far.
        disks: what a power cut before each operation could leave; ``possible_disks`` is that of a cut now.
        is_syncing: whether fsync is believed.
    """

    folder: Path
    kill_at: int | None = None
    num_operations: int = 0
    disks: list[set[Disk]] = field(default_factory=list)
    is_syncing: bool = True
    _names: dict[str, _Inode] = field(default_factory=dict)
    _synced_names: dict[str, _Inode] = field(default_factory=dict)
    _changes: list[tuple[str | None, str | None, _Inode | None]] = field(default_factory=list)
    _open: dict[int, _Inode | None] = field(default_factory=dict)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._os = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "unlink", "close")}
        for name in self._os:
            monkeypatch.setattr(os, name, getattr(self, f"_{name}_seen"))

    def possible_disks(self) -> set[Disk]:
        """Return what a power cut now could leave: files by name."""
        found: set[Disk] = set()
        for kept in itertools.product((False, True), repeat=len(self._changes)):
            names = self._synced_names
            for change in itertools.compress(self._changes, kept):
                names = _changed(names, *change)
            files = sorted(names)
            found.update(tuple(zip(files, contents)) for contents in itertools.product(*(names[n].outcomes() for n in files)))
        return found

    def _step(self) -> bool:
        """Count an operation; return whether it is the one that kills."""
        if self.kill_at is not None and self.num_operations > self.kill_at:
            raise Killed
        self.disks.append(self.possible_disks())
        self.num_operations += 1
        return self.num_operations - 1 == self.kill_at

    def _open_seen(self, path: Any, flags: int, mode: int = 0o777, **rest: Any) -> int:
        is_ours = isinstance(path, Path) and path.parent == self.folder and bool(flags & os.O_CREAT)
        if is_ours and self._step():
            raise Killed
        descriptor: int = self._os["open"](path, flags, mode, **rest)
        if is_ours:
            inode = _Inode()
            self._open[descriptor] = inode
            self._change(None, path.name, inode)
        elif isinstance(path, Path) and path == self.folder:
            self._open[descriptor] = None
        return descriptor

    def _write_seen(self, descriptor: int, content: Any) -> int:
        inode = self._open.get(descriptor)
        if inode is None:
            return int(self._os["write"](descriptor, content))
        is_last = self._step()
        content = bytes(content)[: len(content) // 2 if is_last else None]
        inode.written += content
        count = int(self._os["write"](descriptor, content))
        if is_last:
            raise Killed
        return count

    def _fsync_seen(self, descriptor: int) -> None:
        if descriptor in self._open and self._step():
            raise Killed
        if descriptor in self._open and self.is_syncing:
            inode = self._open[descriptor]
            if inode is None:
                self._synced_names = dict(self._names)
                self._changes.clear()
            else:
                inode.synced = inode.written
        self._os["fsync"](descriptor)

    def _replace_seen(self, source: Path, target: Path) -> None:
        is_ours = source.parent == self.folder
        if is_ours and self._step():
            raise Killed
        self._os["replace"](source, target)
        if is_ours:
            self._change(source.name, target.name, self._names[source.name])

    def _unlink_seen(self, path: Path) -> None:
        is_ours = path.parent == self.folder
        if is_ours and self._step():
            raise Killed
        self._os["unlink"](path)
        if is_ours:
            self._change(path.name, None, None)

    def _change(self, gone: str | None, new: str | None, inode: _Inode | None) -> None:
        self._names = _changed(self._names, gone, new, inode)
        self._changes.append((gone, new, inode))

    def _close_seen(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        self._os["close"](descriptor)


def _changed(names: dict[str, _Inode], gone: str | None, new: str | None, inode: _Inode | None) -> dict[str, _Inode]:
    left = {name: kept for name, kept in names.items() if name != gone}
    return left if new is None or inode is None else {**left, new: inode}
