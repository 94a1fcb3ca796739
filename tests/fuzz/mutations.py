"""Changes of a protobuf message and of a JSON value that keep the structure and break the meaning."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["mutate_bytes", "mutate_json", "mutate_message", "mutate_text"]

_WHOLE = (0, 1, -1, 2, 3, 5, 7, 64, 2**15, 2**31 - 1, 2**31, -(2**31), 2**40, 2**63 - 1, -(2**63))
_REAL = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, 3.4e38, float("inf"), float("-inf"), float("nan"))
_TEXT = ("", "a", "input", "rate", "loss", "target", "logits", "a b", "a\nb", "a\0b", "#w", "../x", "é", "\U0001f4a9", "x" * 300)


def mutate_text(text: str, rng: random.Random, others: tuple[str, ...] = ()) -> str:
    """Return another text: a special one, one of ``others``, or ``text`` with a change."""
    kinds: tuple[Callable[[], str], ...] = (
        lambda: rng.choice(_TEXT),
        lambda: rng.choice(others or _TEXT),
        lambda: text + rng.choice(("x", "1", ".", "#", " ", "/")),
        lambda: text[: rng.randrange(len(text) + 1)],
    )
    return rng.choice(kinds)()


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, insert, delete, cut or repeat some bytes."""
    at = rng.randrange(len(content) + 1)
    some = bytes(rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))) for _ in range(rng.randint(1, 8)))
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at] + some + content[at + len(some) :],
        lambda: content[:at] + some + content[at:],
        lambda: content[:at] + content[at + len(some) :],
        lambda: content[:at],
        lambda: content + content[at:],
    )
    return rng.choice(kinds)()


def mutate_json(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one change at a random place."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        kind = rng.random()
        if kind < 0.8:
            return {**value, key: mutate_json(value[key], rng)}
        if kind < 0.9:
            return {name: each for name, each in value.items() if name != key}
        return {(mutate_text(key, rng) if name == key else name): each for name, each in value.items()}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.7:
            return [*value[:at], mutate_json(value[at], rng), *value[at + 1 :]]
        return [*value[:at], *value[at + 1 :]] if kind < 0.85 else [*value[: at + 1], *value[at:]]
    return _another(value, rng)


def _another(value: Any, rng: random.Random) -> Any:
    if rng.random() < 0.15:
        return rng.choice((None, True, False, [], {}, "", 0, -1, 1.5, [0], {"a": 1}))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((*_WHOLE, value + 1, value - 1, value * 2, -value))
    if isinstance(value, float):
        return rng.choice((0.0, 1.0, -1.0, 1e30, 1e-30, value * 2, -value))
    if isinstance(value, str):
        return mutate_text(value, rng)
    return rng.choice((None, 1, "a", [], {}))


def mutate_message(message: Any, rng: random.Random) -> None:
    """Change a field of ``message``, a protobuf message, or of one inside it."""
    everything = list(_messages(message))
    target = rng.choice(everything)
    fields = [field for field, _ in target.ListFields()]
    if not fields or rng.random() < 0.1:
        fields = list(target.DESCRIPTOR.fields)
    field = rng.choice(fields)
    texts = tuple({name for each in everything[:200] for name in _names(each)})
    if field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED:
        _mutate_list(target, field, texts, rng)
    elif field.message_type is not None:
        similar = [each for each in everything if each.DESCRIPTOR is field.message_type]
        content = rng.choice(similar).SerializeToString() if similar and rng.random() < 0.6 else None
        target.ClearField(field.name)  # what was chosen may lie in it
        if content is not None:
            getattr(target, field.name).ParseFromString(content)
    elif rng.random() < 0.15:
        target.ClearField(field.name)
    else:
        setattr(target, field.name, _scalar(field, getattr(target, field.name), texts, rng))


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if hasattr(value, "__len__") else (value,):
                yield from _messages(each)


def _names(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            yield from (value,) if isinstance(value, str) else value


def _mutate_list(target: Any, field: Any, texts: tuple[str, ...], rng: random.Random) -> None:
    values = getattr(target, field.name)
    at = rng.randrange(len(values)) if values else 0
    kind = rng.random()
    if field.message_type is not None:
        if not values or kind < 0.2:
            values.add()
        elif kind < 0.5:
            values.add().CopyFrom(values[at])
        elif kind < 0.7:
            values.append(values.pop(at))
        else:
            del values[at]
    elif not values or kind < 0.2:
        values.append(_scalar(field, field.default_value if not values else values[at], texts, rng))
    elif kind < 0.35:
        del values[at]
    else:
        values[at] = _scalar(field, values[at], texts, rng)


def _scalar(field: Any, value: Any, texts: tuple[str, ...], rng: random.Random) -> Any:
    if field.type == field.TYPE_STRING:
        return mutate_text(value if isinstance(value, str) else "", rng, texts)
    if field.type == field.TYPE_BYTES:
        return mutate_bytes(value if isinstance(value, bytes) else b"", rng)
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return rng.choice(_REAL)
    if field.type == field.TYPE_ENUM:
        return rng.choice([each.number for each in field.enum_type.values])
    number = value if isinstance(value, int) else 0
    limits = {field.TYPE_INT32: (-(2**31), 2**31 - 1), field.TYPE_UINT64: (0, 2**64 - 1), field.TYPE_UINT32: (0, 2**32 - 1)}
    low, high = limits.get(field.type, (-(2**63), 2**63 - 1))
    return min(high, max(low, rng.choice((*_WHOLE, number + 1, number - 1, number * 2))))
