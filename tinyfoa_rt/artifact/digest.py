"""Size and SHA-256 of a file: what says that it is the one that was written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tinyfoa_rt.errors import InputError

__all__ = ["Digest"]

_PIECE_NBYTES = 2**20


@dataclass(frozen=True)
class Digest:
    """Bytes and the SHA-256 of them, in hexadecimal."""

    nbytes: int
    sha256: str

    @classmethod
    def of(cls, content: bytes, without: Sequence[tuple[int, int]] = ()) -> Digest:
        """The digest of a file; what lies in ``without``, rising ranges of bytes, does not count."""
        hasher, view = hashlib.sha256(), memoryview(content)
        for start, stop in _between(without, len(content)):
            hasher.update(view[start:stop])
        return cls(len(content), hasher.hexdigest())

    def check(self, file: BinaryIO, place: str, mend: str, without: Sequence[tuple[int, int]] = ()) -> None:
        """Compare a file, which stands at its beginning before and after; what lies in ``without`` does not count.

        Raises:
            InputError: it is another one, or damaged.
        """
        found = os.fstat(file.fileno()).st_size
        if found != self.nbytes:
            raise InputError(place, f"holds {found:,} bytes, the manifest says {self.nbytes:,}", mend)
        hasher = hashlib.sha256()
        for start, stop in _between(without, found):
            file.seek(start)
            while piece := file.read(min(_PIECE_NBYTES, stop - file.tell())):
                hasher.update(piece)
        if hasher.hexdigest() != self.sha256:
            raise InputError(place, "is damaged (its SHA-256 differs from the manifest's)", mend)
        file.seek(0)


def _between(ranges: Sequence[tuple[int, int]], nbytes: int) -> Iterator[tuple[int, int]]:
    """What ranges leave of a file."""
    edges = [0, *(edge for each in ranges for edge in each), nbytes]
    yield from zip(edges[::2], edges[1::2])
