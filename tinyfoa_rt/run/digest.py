"""Size and SHA-256 of a file: what says that it is the one that was written."""

from __future__ import annotations

import hashlib
import os
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
    def of(cls, content: bytes) -> Digest:
        return cls(len(content), hashlib.sha256(content).hexdigest())

    def check(self, file: BinaryIO, place: str, mend: str) -> None:
        """Compare a file, which stands at its beginning before and after.

        Raises:
            InputError: it is another one, or damaged.
        """
        found = os.fstat(file.fileno()).st_size
        if found != self.nbytes:
            raise InputError(place, f"holds {found:,} bytes, the manifest says {self.nbytes:,}", mend)
        hasher = hashlib.sha256()
        while piece := file.read(_PIECE_NBYTES):
            hasher.update(piece)
        if hasher.hexdigest() != self.sha256:
            raise InputError(place, "is damaged (its SHA-256 differs from the manifest's)", mend)
        file.seek(0)
