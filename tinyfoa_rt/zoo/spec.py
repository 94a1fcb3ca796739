"""The declarative form of a model: a TOML file with a name, a title, an input shape, a seed and a list of layers.

A layer reads the layer before it, or the one that ``from`` names; ``add`` also reads the layer that ``with`` names.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyfoa_rt.errors import InputError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["LAYER_KEYS", "LayerSpec", "ModelSpec", "read_spec", "with_pooled_input"]

_KEYS = {"name": str, "title": str, "input": list, "seed": int, "layers": list}
_MEND = "see graphs/models for examples"
_LARGEST_SIZE = 1 << 24

# The keys of a layer, by kind; True marks one that must be given. Every layer has kind and name, and may have from.
_WINDOW = {"channels": True, "kernel": True, "strides": False, "pads": False}
LAYER_KEYS: Mapping[str, Mapping[str, bool]] = {
    "dense": {"units": True},
    "conv": {**_WINDOW, "group": False, "bias": False},
    "locally_connected": _WINDOW,
    "batch_norm": {},
    "relu": {},
    "average_pool": {"kernel": True, "strides": False, "pads": False},
    "max_pool": {"kernel": True, "strides": False, "pads": False},
    "add": {"with": True},
    "global_average_pool": {},
    "flatten": {},
}
_LENGTHS = {"kernel": 2, "strides": 2, "pads": 4}


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its kind, its name, the layer it reads (``None``: the one before it) and the options of its kind."""

    kind: str
    name: str
    source: str | None
    options: Mapping[str, Any]

    def size(self, key: str, default: int = 1) -> int:
        return int(self.options.get(key, default))

    def sizes(self, key: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return tuple(self.options.get(key, default))


@dataclass(frozen=True)
class ModelSpec:
    """A whole model; ``input_shape`` is without the batch."""

    name: str
    title: str
    input_shape: tuple[int, ...]
    seed: int
    layers: tuple[LayerSpec, ...]


def read_spec(path: Path) -> ModelSpec:
    """Read and check a model specification.

    Raises:
        InputError: the file cannot be read, is not TOML, or holds keys, kinds or values that no model has.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"is not TOML ({error})", _MEND) from error
    _check_keys(str(path), table, dict.fromkeys(_KEYS, True))
    for key, kind in _KEYS.items():
        if not isinstance(table[key], kind) or isinstance(table[key], bool):
            raise InputError(f"{path}, {key}", f"is {table[key]!r}", _MEND)
    _check_sizes(f"{path}, input", table["input"])
    if not 0 <= table["seed"] < 1 << 32:
        raise InputError(f"{path}, seed", f"is {table['seed']}", "use a number from 0 to 4294967295")
    layers = tuple(_layer(str(path), number, row) for number, row in enumerate(table["layers"], 1))
    _check_order(str(path), layers)
    return ModelSpec(table["name"], table["title"], tuple(table["input"]), table["seed"], layers)


def with_pooled_input(spec: ModelSpec, size: int) -> ModelSpec:
    """Return the specification with means of ``size`` x ``size`` pixels in front: its layers are those of a smaller input.

    Raises:
        UsageError: its input is no image, or does not divide evenly.
    """
    positions = spec.input_shape[1:]
    if len(positions) != 2 or any(length % size for length in positions):
        shape = "x".join(map(str, spec.input_shape))
        problem = f"is for images whose height and width it divides, and the input of {spec.name} is {shape}"
        raise UsageError(f"--pool-input {size}", problem, "name another model, such as cnn-1x28x28-10")
    means = LayerSpec("average_pool", "input_pooled", None, {"kernel": [size, size], "strides": [size, size]})
    layers = (replace(each, source=means.name if each.source == "input" else each.source) for each in spec.layers)
    return replace(spec, name=f"{spec.name}-pooled{size}", layers=(means, *layers))


def _layer(path: str, number: int, row: Any) -> LayerSpec:
    place = f"{path}, layer {number}"
    if not isinstance(row, dict):
        raise InputError(place, f"is {row!r}, not a table", _MEND)
    kind, name = row.get("kind"), row.get("name")
    if not isinstance(kind, str) or kind not in LAYER_KEYS:
        raise InputError(place, f"has the kind {kind!r}", f"use {', '.join(LAYER_KEYS)}")
    if not isinstance(name, str) or not name:
        raise InputError(place, "has no name", 'give one, such as "fc1"')
    place = f"{path}, layer '{name}'"
    _check_keys(place, row, {"kind": True, "name": True, "from": False, **LAYER_KEYS[kind]})
    options = {key: value for key, value in row.items() if key in LAYER_KEYS[kind]}
    for key, value in options.items():
        _check_option(f"{place}, {key}", key, value)
    return LayerSpec(kind, name, row.get("from"), options)


def _check_keys(place: str, table: Mapping[str, Any], keys: Mapping[str, bool]) -> None:
    unknown = [key for key in table if key not in keys]
    missing = [key for key, is_required in keys.items() if is_required and key not in table]
    if unknown or missing:
        fault = f"has the unknown key '{unknown[0]}'" if unknown else f"lacks the key '{missing[0]}'"
        raise InputError(place, fault, f"its keys are {', '.join(keys)}")


def _check_option(place: str, key: str, value: Any) -> None:
    if key == "bias":
        if not isinstance(value, bool):
            raise InputError(place, f"is {value!r}", "use true or false")
    elif key in _LENGTHS:
        _check_sizes(place, value, smallest=0 if key == "pads" else 1)
        if len(value) != _LENGTHS[key]:
            raise InputError(place, f"has {len(value)} numbers", f"give {_LENGTHS[key]}")
    elif key != "with":
        _check_sizes(place, [value])


def _check_sizes(place: str, values: Any, smallest: int = 1) -> None:
    # The exact type, since True is an int too.
    is_list = isinstance(values, list) and bool(values)
    if not is_list or not all(type(value) is int and smallest <= value <= _LARGEST_SIZE for value in values):
        raise InputError(place, f"is {values!r}", f"use whole numbers from {smallest} to {_LARGEST_SIZE}")


def _check_order(path: str, layers: tuple[LayerSpec, ...]) -> None:
    """Each name is used once, and a layer reads only what comes before it."""
    if not layers:
        raise InputError(path, "has no layers", _MEND)
    known = ["input"]
    for layer in layers:
        place = f"{path}, layer '{layer.name}'"
        if layer.name in known or layer.name == "logits":
            raise InputError(place, "has a name that is already taken", "give each layer a name of its own")
        for source in (layer.source, layer.options.get("with")):
            if source is not None and source not in known:
                raise InputError(place, f"reads {source!r}, which no layer before it is called", f"use one of {', '.join(known)}")
        known.append(layer.name)
