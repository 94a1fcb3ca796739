"""A table as text, .csv or .tsv: one sample a row, features as numbers, and a column of labels."""

from __future__ import annotations

import csv
import io
import itertools
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.files import reading
from tinyfoa_rt.names import elide
from tinyfoa_rt.run.data.data_set import DataSet, Part, split
from tinyfoa_rt.run.data.separator import find_separator
from tinyfoa_rt.run.data.stream import LARGEST_NBYTES

__all__ = ["load_table", "read_samples"]

_LONGEST_LINE = 2**24
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_REPAIR = "fill or drop the row"


def load_table(path: Path, label: str | None = None) -> DataSet:
    """Read a table: x (N, columns - 1) float32.

    Fields are separated by what makes most of them in the first line: a comma, a tab, a semicolon or a bar; they may be quoted.
    The first row is a header where none of its fields is a number. Labels are names where one of them is no number; else they are
    classes where all are whole, from 0 to 65,535, or but two, and labels of a regression else. A fifth of each class, rounded, is
    held back for testing, drawn with seed 0 (see ``split_stratified``).

    Args:
        path: of UTF-8 text.
        label: the column of the labels, by the header's name or its number from 1; ``None`` for the last one.

    Raises:
        InputError: no text, a feature that is no finite number, rows of unequal length; names the line, counted from 1.
        UsageError: there is no column ``label``.
    """
    columns = _read(path, _Columns(path.name, label))
    if columns.width == 1:
        raise InputError(path.name, "has one column", "separate columns with commas, the label in the last one")
    return split(path.stem, Part(path.name, columns.samples(), columns.labels()))


def read_samples(path: Path, num_features: int, label: str | None = None) -> tuple[NDArray[np.float32], NDArray[Any] | None]:
    """Read all rows: x (N, num_features), and the labels where there is a column more; else as :func:`load_table`."""
    columns = _read(path, _Columns(path.name, label, num_features))
    return columns.samples(), None if columns.label is None else columns.labels()


def _read(path: Path, columns: _Columns) -> _Columns:
    try:
        with reading(path, "name a file that can be read", largest=LARGEST_NBYTES) as stored:
            file = io.TextIOWrapper(stored, encoding="utf-8-sig", newline="")
            for line, fields in _rows(file):
                columns.add(line, fields)
    except (csv.Error, UnicodeDecodeError) as error:
        mend = "save it as UTF-8, one sample a line, separated by commas"
        raise InputError(path.name, f"is no table as text ({error})", mend) from error
    if not columns.num_rows:
        raise InputError(path.name, "holds no rows of numbers", "give one sample a row, the label in the last column")
    return columns


@dataclass
class _Columns:
    """What has been read: the header, features of all rows one after another, and their labels as text."""

    name: str
    asked: str | None
    num_features: int | None = None
    header: Sequence[str] = ()
    width: int = 0
    label: int | None = None
    num_rows: int = 0
    _features: array[float] = field(default_factory=lambda: array("f"))
    _labels: list[str] = field(default_factory=list)

    def add(self, line: int, fields: list[str]) -> None:
        """Take a row in; the first one may be the header."""
        place = f"{self.name}, line {line}"
        if not self.width:
            if not self.header and not any(map(_is_number, fields)):
                self.header = [name.strip() for name in fields]
                return
            self.width = len(fields)
            self.label = self._find_label()
        if len(fields) != self.width:
            raise InputError(place, f"has {len(fields)} columns, the rows before it {self.width}", _REPAIR)
        if self.label is not None:
            self._labels.append(_label(fields.pop(self.label), f"{place}, column {self.label + 1}"))
        self._features.extend(_numbers(fields, place, self.width if self.label is None else self.label))
        self.num_rows += 1

    def samples(self) -> NDArray[np.float32]:
        """Features, (N, columns without that of the labels)."""
        return np.frombuffer(self._features, dtype=np.float32).reshape(self.num_rows, -1)

    def labels(self) -> NDArray[Any]:
        """Labels (N,): text, or float32 where all are numbers."""
        is_named = not all(map(_is_finite, self._labels))
        return np.array(self._labels, dtype=np.str_ if is_named else np.float32)

    def _find_label(self) -> int | None:
        if self.asked is None:
            return None if self.width == self.num_features else self.width - 1
        if self.asked in self.header:
            return list(self.header).index(self.asked)
        if self.asked.isdecimal() and 1 <= int(self.asked) <= self.width:
            return int(self.asked) - 1
        names = f" or {', '.join(map(elide, self.header))}" if self.header else ""
        raise UsageError(f"--label {self.asked}", f"is no column of {self.name}", f"give 1 to {self.width}{names}")


def _rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Pairs of line number and fields, without blank lines."""
    lines = iter(partial(_line, file), "")
    first: list[str] = []
    for line in lines:
        first.append(line)
        if line.strip():
            break
    separator = find_separator(first[-1]) if first else ","
    reader = csv.reader(itertools.chain(first, lines), strict=True, delimiter=separator)
    for fields in reader:
        if fields and fields != [""]:
            yield reader.line_num, fields


def _line(file: TextIO) -> str:
    line = file.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise csv.Error(f"a line is longer than {_LONGEST_LINE:,} characters")
    return line


def _label(field: str, place: str) -> str:
    text = field.strip()
    if not text:
        raise InputError(place, "has no label", _REPAIR)
    if _is_number(text) and not _is_finite(text):
        raise InputError(place, f"'{text[:40]}' is not a finite number", _REPAIR)
    return text


def _numbers(fields: Sequence[str], place: str, label: int) -> list[float]:
    """Finite numbers that float32 holds; else the message names the column, counted from 1 over the labels too."""
    try:
        numbers = [float(field) for field in fields]
        if all(abs(number) <= _LARGEST_FLOAT32 for number in numbers):
            return numbers
    except ValueError:
        pass
    column = next(column for column, field in enumerate(fields) if not _is_finite(field))
    shown = f"'{fields[column][:40]}'"
    raise InputError(f"{place}, column {column + 1 + (column >= label)}", f"{shown} is not a finite number", _REPAIR)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _is_finite(field: str) -> bool:
    return _is_number(field) and abs(float(field)) <= _LARGEST_FLOAT32
