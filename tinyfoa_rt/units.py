"""Byte sizes, times and counts as people write them.

``KB`` and ``KiB`` are 1024 bytes (how memory is sold), ``kB`` is 1000; likewise ``MB``, ``MiB`` and ``GB``, ``GiB`` are powers
of 1024. A number without a unit is bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from tinyfoa_rt.errors import UsageError

__all__ = ["format_nbytes", "parse_count", "parse_nbytes", "parse_seconds"]

_UNITS = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "KB": 1024,
    "KiB": 1024,
    "K": 1024,
    "MB": 1024**2,
    "MiB": 1024**2,
    "M": 1024**2,
    "GB": 1024**3,
    "GiB": 1024**3,
    "G": 1024**3,
}
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_COUNTS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_SIZE = re.compile(r"\s*(?P<number>\d{1,24}(?:\.\d{1,24})?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)
_LARGEST = 2**62


def parse_nbytes(text: str | int, *, what: str = "budget") -> int:
    """Return the whole number of bytes that ``text`` names, rounded down.

    Raises:
        UsageError: not a size, an unknown unit, less than one byte or beyond 2^62.
    """
    mend = "write for example 256KB, 1.5MiB or 262144"
    match = _SIZE.fullmatch(str(text))
    if match is None:
        raise UsageError(f"{what} '{text}'", "is not a size", mend)
    unit = match["unit"]
    if unit not in _UNITS:
        raise UsageError(f"{what} '{text}'", f"has the unknown unit '{unit}'", "use B, kB, KB, KiB, MB, MiB, GB or GiB")
    nbytes = int(Decimal(match["number"]) * _UNITS[unit])
    if not 1 <= nbytes <= _LARGEST:
        raise UsageError(f"{what} '{text}'", "is outside 1 byte to 4 EiB", mend)
    return nbytes


def parse_seconds(text: str, *, what: str) -> float:
    """Return the seconds that ``text`` names, such as ``90s``, ``5min`` or ``1h``.

    Raises:
        UsageError: not a time, or none at all.
    """
    return _parse(text, _SECONDS, what, "time", "write for example 90s, 5min or 1h")


def parse_count(text: str | int, *, what: str) -> int:
    """Return the whole number that ``text`` names, such as ``500k`` (thousands) or ``2M`` (millions), rounded down.

    Raises:
        UsageError: not a number, or less than 1.
    """
    return int(_parse(str(text), _COUNTS, what, "number", "write for example 500k, 2M or 120000"))


def _parse(text: str, units: Mapping[str, int], what: str, noun: str, mend: str) -> float:
    match = _SIZE.fullmatch(text)
    value = Decimal(match["number"]) * units[match["unit"]] if match and match["unit"] in units else None
    if value is None or not 1 <= value <= _LARGEST:
        raise UsageError(f"{what} '{text}'", f"is not a {noun}" if value is None else "is out of range", mend)
    return float(value)


def format_nbytes(nbytes: int) -> str:
    """Return ``nbytes`` for people, to three or four digits: ``956 B``, ``488 KiB``, ``1.04 MiB``."""
    if nbytes < 1024:
        return f"{nbytes} B"
    value = float(nbytes)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1000 or unit == "TiB":
            break
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"
