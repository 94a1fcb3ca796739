"""A .csv table: one sample a row, features as numbers, the label or the number to be told in the last column."""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import reading
from tinyfoa_rt.run.data.data_set import DataSet, Part, split
from tinyfoa_rt.run.data.stream import LARGEST_NBYTES

__all__ = ["load_csv"]

_FEATURE_AXIS = 1
_LONGEST_LINE = 2**24
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def load_csv(path: Path) -> DataSet:
    """Read a table separated by commas: x (N, columns - 1) float32; each column is normalized apart.

    The last column holds classes where all its numbers are whole, from 0 to 65,535, and labels of a regression else. The
    first row is a header where none of its fields is a number. A fifth of each class, rounded, is held back for testing,
    drawn with seed 0 (see ``split_stratified``).

    Raises:
        InputError: no text, a field that is no finite number, rows of unequal length; names the line, counted from 1.
    """
    features, labels = array("f"), array("f")
    try:
        with reading(path, "name a file that can be read", largest=LARGEST_NBYTES) as stored:
            file = io.TextIOWrapper(stored, encoding="utf-8-sig", newline="")
            width = 0
            for line, fields in _rows(file):
                place = f"{path.name}, line {line}"
                width = width or _width(fields, place)
                if len(fields) != width:
                    raise InputError(place, f"has {len(fields)} columns, the rows before it {width}", "fill or drop the row")
                numbers = _numbers(fields, place)
                features.extend(numbers[:-1])
                labels.append(numbers[-1])
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(path.name, f"is no table as text ({error})", "save it as UTF-8, separated by commas") from error
    if not labels:
        raise InputError(path.name, "holds no rows of numbers", "give one sample a row, the label in the last column")
    x = np.frombuffer(features, dtype=np.float32).reshape(len(labels), width - 1)
    return split(path.stem, Part(path.name, x, np.frombuffer(labels, dtype=np.float32)), channel_axis=_FEATURE_AXIS)


def _rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Pairs of line number and fields, without blank lines and the header."""
    reader = csv.reader(iter(partial(_line, file), ""), strict=True)
    is_first = True
    for fields in reader:
        if not fields or fields == [""]:
            continue
        if not (is_first and not any(map(_is_number, fields))):
            yield reader.line_num, fields
        is_first = False


def _line(file: TextIO) -> str:
    line = file.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise csv.Error(f"a line is longer than {_LONGEST_LINE:,} characters")
    return line


def _width(fields: Sequence[str], place: str) -> int:
    if len(fields) < 2:
        raise InputError(place, "has one column", "separate columns with commas, the label in the last one")
    return len(fields)


def _numbers(fields: Sequence[str], place: str) -> list[float]:
    """Finite numbers that float32 holds; else the message names the column, counted from 1."""
    try:
        numbers = [float(field) for field in fields]
        if all(abs(number) <= _LARGEST_FLOAT32 for number in numbers):
            return numbers
    except ValueError:
        pass
    for column, field in enumerate(fields, start=1):
        if not _is_number(field) or not abs(float(field)) <= _LARGEST_FLOAT32:
            raise InputError(f"{place}, column {column}", f"'{field[:40]}' is not a finite number", "fill or drop the row")
    raise AssertionError("one of the fields was refused")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
