"""Reads profiles of what a plan is for: those that come along, and a user's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.files import read_whole
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.units import parse_nbytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["load_profile", "profile_names"]

_FOLDER = "targets/profiles"
_LARGEST_PROFILE = 64 * 1024
_SIZES = ("ram", "reserved", "nonvolatile")
_FLAGS = ("packs_bits", "streams_gradients", "computes_head")
_CHOICES = {"runtime": ("ort", "c99"), "placement": ("arena", "allocator")}
_KEYS = ("title", *_CHOICES, *_SIZES, *_FLAGS, "alignment")
_OPTIONAL_SIZES = ("code", "page")
_OPTIONAL = ("provider", *_OPTIONAL_SIZES)


def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come along."""
    return tuple(sorted(path.stem for path in resource_path(_FOLDER).glob("*.toml")))


def load_profile(name: str) -> Profile:
    """Return the profile ``name``, or the one in the file ``name`` if it ends in ``.toml``.

    Raises:
        UsageError: there is no such profile.
        InputError: a file is not a profile.
    """
    if name.endswith(".toml"):
        return _read(Path(name))
    if name not in profile_names():
        raise UsageError(f"--target {name}", "is not known", f"use {', '.join(profile_names())} or the path of a .toml file")
    return _read(resource_path(_FOLDER) / f"{name}.toml")


def _read(path: Path) -> Profile:
    mend = "see targets/profiles for examples"
    try:
        table = tomllib.loads(read_whole(path, mend, largest=_LARGEST_PROFILE).decode())
    except RecursionError as error:
        raise InputError(str(path), "is nested too deeply", mend) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"is not TOML ({error})", mend) from error
    missing = [key for key in _KEYS if key not in table]
    unknown = [key for key in table if key not in (*_KEYS, *_OPTIONAL)]
    if missing or unknown:
        fault = f"lacks the key '{missing[0]}'" if missing else f"has the unknown key '{unknown[0]}'"
        raise InputError(str(path), fault, f"a profile has the keys {', '.join(_KEYS)} and may have {', '.join(_OPTIONAL)}")
    return _profile(path, table)


def _profile(path: Path, table: dict[str, Any]) -> Profile:
    for key in ("title", "provider"):
        if not isinstance(table.get(key, ""), str):
            raise InputError(f"{path}, {key}", f"is {table[key]!r}", "use a text in quotes")
    for key, allowed in _CHOICES.items():
        if table[key] not in allowed:
            raise InputError(f"{path}, {key}", f"is {table[key]!r}", f"use {' or '.join(allowed)}")
    for key in _FLAGS:
        if not isinstance(table[key], bool):
            raise InputError(f"{path}, {key}", f"is {table[key]!r}", "use true or false")
    alignment = table["alignment"]
    # 4.0 and true equal whole numbers, but offsets made from them would not be whole numbers.
    if type(alignment) is not int or alignment not in (1, 2, 4, 8, 16, 32, 64):
        raise InputError(f"{path}, alignment", f"is {alignment!r}", "use a power of two from 1 to 64, in bytes")
    ram, reserved, nonvolatile = (_size(path, key, table[key]) for key in _SIZES)
    code, page = (_size(path, key, table.get(key, "none")) for key in _OPTIONAL_SIZES)
    if code is None or (nonvolatile is not None and 0 < nonvolatile <= code):
        raise InputError(f"{path}, code", f"is {table['code']!r}", "use a size smaller than nonvolatile, or 'none'")
    if page is None or page & (page - 1) or page % 4:
        raise InputError(f"{path}, page", f"is {table['page']!r}", "use a power of two of at least 4 bytes, or 'none'")
    if ram == 0:
        raise InputError(f"{path}, ram", f"is {table['ram']!r}", 'use a size such as "320KB" or "unlimited"')
    if reserved is None or (ram is not None and reserved >= ram):
        raise InputError(f"{path}, reserved", f"is {table['reserved']!r}", "use a size smaller than ram, or 'none'")
    return Profile(
        name=path.stem,
        title=table["title"],
        runtime=table["runtime"],
        ram_bytes=ram,
        reserved_bytes=reserved,
        nonvolatile_bytes=nonvolatile,
        packs_bits=table["packs_bits"],
        streams_gradients=table["streams_gradients"],
        computes_head=table["computes_head"],
        placement=table["placement"],
        alignment=alignment,
        provider=table.get("provider", ""),
        code_bytes=code,
        page_bytes=page,
    )


def _size(path: Path, key: str, value: Any) -> int | None:
    """Bytes; ``none`` is 0 and ``unlimited`` is ``None``."""
    if value == "unlimited":
        return None
    if value == "none":
        return 0
    if not isinstance(value, str):
        raise InputError(f"{path}, {key}", f"is {value!r}", 'use a size such as "320KB", "none" or "unlimited"')
    try:
        return parse_nbytes(value, what=key)
    except UsageError as error:
        raise InputError(f"{path}, {key}", error.problem, error.mend) from error
