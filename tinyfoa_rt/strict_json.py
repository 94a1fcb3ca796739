"""JSON from outside, read without surprises: no duplicate keys, no NaN, no nesting that exhausts the stack, no unknown field."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tinyfoa_rt.errors import InputError

__all__ = ["parse_object", "read_record"]


def parse_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object that ``content``, UTF-8, holds.

    Raises:
        ValueError: anything else; the message says what in a few words.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} at character {error.pos:,}") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key is there twice")
    return result


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def read_record(place: str, content: Any, kind: Any, mend: str) -> Any:
    """Build a dataclass from a JSON object with exactly its fields.

    Args:
        place: what messages begin with.
        content: what :func:`parse_object` gave.
        kind: the dataclass. Its fields are texts, numbers that are not negative, booleans, literals, tuples, mappings from texts,
            other dataclasses, or one of these or ``None``.
        mend: what to do about content that does not fit.

    Raises:
        InputError: a key is missing or not known, or a value is of another type.
    """
    if not isinstance(content, dict):
        raise InputError(place, "is not an object", mend)
    hints = _hints_of(kind)
    names = [each.name for each in fields(kind)]
    missing, unknown = [n for n in names if n not in content], [n for n in content if n not in names]
    if missing or unknown:
        raise InputError(place, f"lacks '{missing[0]}'" if missing else f"has the unknown key '{unknown[0]}'", mend)
    return kind(**{name: _value(f"{place}, {name}", content[name], hints[name], mend) for name in names})


_hints_of = cache(get_type_hints)


def _value(place: str, content: Any, expected: Any, mend: str) -> Any:
    arguments = get_args(expected)
    if get_origin(expected) in (Union, types.UnionType):
        return _one_of(place, content, arguments, mend)
    if get_origin(expected) is Literal and content in arguments and isinstance(content, str):
        return content
    if get_origin(expected) is tuple and isinstance(content, list):
        kinds = arguments[:1] * len(content) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(content):
            return tuple(_value(f"{place}[{i}]", each, kinds[i], mend) for i, each in enumerate(content))
    if get_origin(expected) is Mapping and isinstance(content, dict):
        return {key: _value(f"{place}, {key}", each, arguments[1], mend) for key, each in content.items()}
    if is_dataclass(expected):
        return read_record(place, content, expected, mend)
    if expected is float and type(content) is int:
        content = float(content)
    if type(content) is not expected or (isinstance(content, (int, float)) and content < 0):
        raise InputError(place, f"is {content!r:.60}, expected {getattr(expected, '__name__', expected)}", mend)
    return content


def _one_of(place: str, content: Any, kinds: tuple[Any, ...], mend: str) -> Any:
    """Take the kind of a union that the JSON value is of."""
    forms = {type(None): type(None), list: tuple, dict: Mapping}
    form = forms.get(type(content), type(content))
    found = [kind for kind in kinds if (get_origin(kind) or kind) is form]
    if form is type(None) and found:
        return None
    return _value(place, content, found[0] if found else kinds[0], mend)
