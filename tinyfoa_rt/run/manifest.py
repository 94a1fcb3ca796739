"""Reads the JSON of a manifest; everything in it is checked here, once."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args, get_origin, get_type_hints

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.records import ARTIFACT_FORMAT, BlockRecord, LayerRecord, Manifest

__all__ = ["ParsedManifest", "parse_manifest"]

_MEND = "build the artifact again"
_CHOICES = {
    "loss": ("cross-entropy", "mean-squared-error"),
    "optimizer": ("sgd", "momentum", "adam"),
    "schedule": ("slice", "freeze-diagonal", "full"),
    "binarize": ("both", "weights", "none"),
    "handover": ("bits", "scaled"),
    "order": ("layerwise", "interleaved"),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ParsedManifest:
    """A manifest, and the size and SHA-256 of each model file."""

    manifest: Manifest
    files: Mapping[str, tuple[int, str]]


def parse_manifest(place: str, content: Any) -> ParsedManifest:
    """Return the manifest in ``content``.

    Raises:
        InputError: another format, a missing or unknown key, a value of another type, numbers that contradict each other.
    """
    found = content.get("format") if isinstance(content, dict) else None
    if found != ARTIFACT_FORMAT:
        raise InputError(f"{place}, format", f"is {found!r}, not '{ARTIFACT_FORMAT}'", _MEND)
    content = dict(content)
    files = _files(f"{place}, files", content.pop("files", None))
    manifest = _record(place, content, Manifest)
    for key, allowed in _CHOICES.items():
        if getattr(manifest, key) not in allowed:
            raise InputError(f"{place}, {key}", f"is {getattr(manifest, key)!r}", f"use {' or '.join(allowed)}")
    _check(f"{place}, blocks", manifest)
    return ParsedManifest(manifest, files)


def _check(place: str, manifest: Manifest) -> None:
    if not manifest.blocks or len(manifest.stages) != len(manifest.blocks) + 1:
        raise InputError(place, f"has {len(manifest.blocks)} blocks and {len(manifest.stages)} stages", _MEND)
    if min(manifest.batch, manifest.num_outputs, *manifest.input_shape) < 1:
        raise InputError(place, "has a size below 1", _MEND)
    if manifest.frozen_blocks < 0:
        raise InputError(place, f"says that {manifest.frozen_blocks} are frozen", _MEND)
    for block in manifest.blocks:
        for layer in block.layers:
            for bounds in (layer.ins, layer.outs):
                if len(bounds) < 2 or bounds[0] != 0 or any(a >= b for a, b in zip(bounds, bounds[1:])):
                    raise InputError(f"{place}, layer '{layer.name}'", f"its slices have the bounds {bounds}", _MEND)


def _files(place: str, content: Any) -> dict[str, tuple[int, str]]:
    if not isinstance(content, dict):
        raise InputError(place, "is not a table of files", _MEND)
    files = {}
    for path, entry in content.items():
        nbytes, digest = (entry.get(key) if isinstance(entry, dict) else None for key in ("bytes", "sha256"))
        if type(nbytes) is not int or nbytes < 0 or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise InputError(f"{place}, '{path}'", "has no size and SHA-256", _MEND)
        files[path] = (nbytes, digest)
    return files


def _record(place: str, content: Any, kind: Any) -> Any:
    """Build the dataclass ``kind`` from a JSON object with exactly its fields."""
    if not isinstance(content, dict):
        raise InputError(place, "is not an object", _MEND)
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)]
    missing, unknown = [n for n in names if n not in content], [n for n in content if n not in names]
    if missing or unknown:
        raise InputError(place, f"lacks '{missing[0]}'" if missing else f"has the unknown key '{unknown[0]}'", _MEND)
    return kind(**{name: _value(f"{place}, {name}", content[name], hints[name]) for name in names})


def _value(place: str, content: Any, expected: Any) -> Any:
    if get_origin(expected) is tuple:
        if not isinstance(content, list):
            raise InputError(place, "is not a list", _MEND)
        item = get_args(expected)[0]
        return tuple(_value(f"{place}[{index}]", each, item) for index, each in enumerate(content))
    if expected in (BlockRecord, LayerRecord):
        return _record(place, content, expected)
    assert not isinstance(expected, types.UnionType)
    if expected is float and type(content) is int:
        content = float(content)
    if type(content) is not expected:
        raise InputError(place, f"is {content!r:.60}, expected {expected.__name__}", _MEND)
    return content
