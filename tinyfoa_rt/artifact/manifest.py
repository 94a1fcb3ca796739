"""Reads the JSON of a manifest; everything in it is checked here, once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyfoa_rt.artifact.digest import Digest
from tinyfoa_rt.artifact.paths import INFERENCE, check_model_path, check_path
from tinyfoa_rt.artifact.records import ARTIFACT_FORMAT, InputRecord, LayerRecord, Manifest
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.ir.losses import LABEL_KINDS, PREDICTIONS
from tinyfoa_rt.strict_json import read_record

__all__ = ["ParsedManifest", "parse_manifest"]

_MEND = "build the artifact again"
_CHOICES = {
    "schedule": ("slice", "freeze-diagonal", "full"),
    "binarize": ("both", "weights", "none"),
    "block_output": ("bits", "scaled"),
    "order": ("layerwise", "interleaved"),
}
# Axes of the weights of a layer.
_RANKS = {"dense": 2, "bias": 2, "conv": 3, "local": 4}
# Element types that a sample may have.
_DTYPES = frozenset(
    ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ParsedManifest:
    """A manifest, and the digest of each file by its path."""

    manifest: Manifest
    files: Mapping[str, Digest]


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
    manifest = read_record(place, content, Manifest, _MEND)
    for key, allowed in _CHOICES.items():
        if getattr(manifest, key) not in allowed:
            raise InputError(f"{place}, {key}", f"is {getattr(manifest, key)!r}", f"use {' or '.join(allowed)}")
    for key, value, known in (
        ("labels", manifest.loss.labels, LABEL_KINDS),
        ("prediction", manifest.loss.prediction, PREDICTIONS),
    ):
        if value not in known:
            raise InputError(f"{place}, loss, {key}", f"is {value!r}", f"use {' or '.join(known)}")
    if (manifest.loss.labels == "class") != (manifest.loss.prediction == "largest"):
        raise InputError(f"{place}, loss", "predicts something other than its labels are", _MEND)
    _check(f"{place}, blocks", manifest)
    edges = [0, *(edge for each in manifest.parameters for edge in (each.offset, each.offset + each.nbytes))]
    if edges != sorted(edges) or edges[-1] > (files[INFERENCE].nbytes if INFERENCE in files else 0):
        raise InputError(f"{place}, parameters", f"do not lie in {INFERENCE} one behind the other", _MEND)
    return ParsedManifest(manifest, files)


def _check(place: str, manifest: Manifest) -> None:
    if not manifest.blocks or len(manifest.stages) != len(manifest.blocks) + 1:
        raise InputError(place, f"has {len(manifest.blocks)} blocks and {len(manifest.stages)} stages", _MEND)
    if manifest.activation_bits not in (1, 2):
        raise InputError(place.removesuffix("blocks") + "activation_bits", f"is {manifest.activation_bits}", "use 1 or 2")
    if min(manifest.batch, manifest.rows, manifest.num_outputs) < 1:
        raise InputError(place, "has a size below 1", _MEND)
    _check_inputs(place.removesuffix("blocks") + "inputs", manifest.inputs)
    if manifest.frozen_blocks < 0:
        raise InputError(place, f"says that {manifest.frozen_blocks} are frozen", _MEND)
    for path in manifest.model_paths:
        check_model_path(place, path)
    for block in manifest.blocks:
        if block.layer_steps and (len(block.layer_steps) != len(block.layers) or block.step != block.layer_steps[0]):
            raise InputError(f"{place}, block '{block.name}'", "does not have a step for each layer", _MEND)
        if (block.slices_per_step > 1) != bool(block.slice_step) or block.slices_per_step < 1:
            problem = f"moves {block.slices_per_step} slices a step by '{block.slice_step}'"
            raise InputError(f"{place}, block '{block.name}'", problem, _MEND)
        for layer in block.layers:
            _check_layer(f"{place}, layer '{layer.name}'", layer)
        if block.rate.numerator is not None and not block.rate.fan_in * block.rate.least_power:
            raise InputError(f"{place}, block '{block.name}', rate", "has a fan-in or a least power of 0", _MEND)


def _check_layer(place: str, layer: LayerRecord) -> None:
    for bounds in (layer.ins, layer.outs):
        if len(bounds) < 2 or bounds[0] != 0 or any(a >= b for a, b in zip(bounds, bounds[1:])):
            raise InputError(place, f"its slices have the bounds {bounds}", _MEND)
    if not 1 <= layer.turns <= layer.grid.count:
        raise InputError(place, f"{layer.turns} of its slices take turns", _MEND)
    rank = _RANKS.get(layer.kind)
    if len(layer.shape) != rank or layer.shape[-2:] != (layer.ins[-1], layer.outs[-1]) or min(layer.shape) < 1:
        raise InputError(place, f"is {layer.kind} of the shape {layer.shape}", _MEND)


def _check_inputs(place: str, inputs: Sequence[InputRecord]) -> None:
    names = {each.name for each in inputs}
    if not inputs or len(names) < len(inputs):
        raise InputError(place, "is empty or names an input twice", _MEND)
    for each in inputs:
        if each.dtype not in _DTYPES or not each.shape or min(each.shape) < 1:
            raise InputError(f"{place}, '{each.name}'", f"is {each.dtype} of shape {each.shape}", _MEND)


def _files(place: str, content: Any) -> dict[str, Digest]:
    if not isinstance(content, dict):
        raise InputError(place, "is not a table of files", _MEND)
    files = {}
    for path, entry in content.items():
        check_path(place, path)
        nbytes, digest = (entry.get(key) if isinstance(entry, dict) else None for key in ("bytes", "sha256"))
        if type(nbytes) is not int or nbytes < 0 or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise InputError(f"{place}, '{path}'", "has no size and SHA-256", _MEND)
        files[path] = Digest(nbytes, digest)
    return files
