"""The log of a training, metrics.jsonl: a JSON object a line, which a power cut may tear only at its end."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import append_whole, read_whole, write_whole
from tinyfoa_rt.strict_json import parse_object

__all__ = ["MetricsLog"]

_LARGEST = 2**28


class MetricsLog:
    """Rows such as ``{"step": 40, "block": "hidden", "epoch": 1, "loss": 0.7, "accuracy": 0.8}``, appended to a file.

    One process writes; others may read meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_whole = False  # whether the file is known to end with a whole line

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row with a single write; a number that is NaN or Inf, which JSON does not have, becomes ``null``.

        Raises:
            InputError: the file cannot be written, or is damaged elsewhere than at its end.
        """
        finite = {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
        line = json.dumps(finite, allow_nan=False).encode() + b"\n"
        if not self._is_whole:
            self._rewrite(self._lines())
        self._is_whole = False
        append_whole(self.path, line)
        self._is_whole = True

    def read(self) -> list[dict[str, Any]]:
        """Return all rows but a torn last one; none where there is no file.

        Raises:
            InputError: the file cannot be read, or a line other than the last is no JSON object.
        """
        return [row for _, row in self._lines()]

    def truncate_after(self, step: float) -> None:
        """Drop the rows whose ``step`` is beyond ``step``, and a torn last line: what a resumed training will write again.

        Raises:
            InputError: as ``read``, or the file cannot be written.
        """
        self._rewrite([(line, row) for line, row in self._lines() if not _is_beyond(row, step)])
        self._is_whole = True

    def _lines(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Return whole lines as they are in the file, each with its row."""
        lines = self._content().split(b"\n")
        whole, rows = lines[:-1], []
        for number, line in enumerate(whole, start=1):
            try:
                rows.append((line, parse_object(line)))
            except ValueError as error:
                if number == len(whole):
                    break  # a power cut may leave rubbish, ended by chance with the end of a line
                raise InputError(f"{self.path}, line {number}", f"is damaged: {error}", "remove the line") from error
        return rows

    def _rewrite(self, rows: list[tuple[bytes, dict[str, Any]]]) -> None:
        content = b"".join(line + b"\n" for line, _ in rows)
        if content != self._content():
            write_whole(self.path, content)

    def _content(self) -> bytes:
        if not os.path.lexists(self.path):
            return b""
        return read_whole(self.path, "name a file that can be read", largest=_LARGEST, follows_links=False)


def _is_beyond(row: Mapping[str, Any], step: float) -> bool:
    found = row.get("step")
    return isinstance(found, (int, float)) and found > step
