"""The artifact: what building a plan yields, and all that training needs. A folder of

    manifest.json             what is there, in this module's terms
    steps/N-BLOCK.onnx        one training step of each block
    forward/N.onnx            the forward pass up to block N, and from the last block to the output
    packed/                   steps and forward passes again, their bits in words: what kernels run (docs/kernels.md)
    inference.onnx            the trained model; its parameters are in inference.safetensors
    initial.safetensors       the state that training begins with
    plan.json                 the plan that it was built from
    source/model.onnx         of a plan for generated C: the model, which exporting needs

Files are untrusted: the manifest names them with their size and SHA-256, none outside the folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import write_whole
from tinyfoa_rt.run.manifest import parse_manifest
from tinyfoa_rt.run.records import BlockRecord, Manifest
from tinyfoa_rt.run.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.strict_json import parse_object

__all__ = ["INFERENCE", "INFERENCE_TENSORS", "MANIFEST", "PLAN", "SOURCE_MODEL", "Artifact", "packed_path"]

MANIFEST = "manifest.json"
PLAN = "plan.json"
INITIAL = "initial.safetensors"
INFERENCE = "inference.onnx"
INFERENCE_TENSORS = "inference.safetensors"
SOURCE_MODEL = "source/model.onnx"
_LARGEST_MANIFEST = 2**24


def packed_path(path: str) -> str:
    """Where the packed form of a step or a stage is."""
    return f"packed/{path}"


@dataclass(frozen=True, eq=False)
class Artifact:
    """An artifact in memory.

    Attributes:
        manifest: what it says of itself.
        models: ONNX models, and what else is no tensor, by their path in the folder.
        initial: the tensors that training begins with.
    """

    manifest: Manifest
    models: Mapping[str, bytes]
    initial: Mapping[str, NDArray[Any]] = field(repr=False)

    @property
    def blocks(self) -> tuple[BlockRecord, ...]:
        return self.manifest.blocks

    @property
    def has_packed_form(self) -> bool:
        """Whether all steps and stages are there in their packed form too."""
        return all(packed_path(path) in self.models for path in self.manifest.model_paths)

    def model(self, path: str, *, is_packed: bool) -> bytes:
        """A step or a stage, in its packed form or with a byte for each binary value."""
        return self.models[packed_path(path) if is_packed else path]

    @property
    def id(self) -> str:
        """Tells artifacts apart: a checkpoint belongs to one."""
        content = json.dumps(asdict(self.manifest), sort_keys=True) + _digests(self.models)
        return hashlib.sha256(content.encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the artifact; the manifest comes last, so that a folder with one is complete.

        Raises:
            InputError: the folder cannot be written.
        """
        for path, content in self.models.items():
            _make_folder((folder / path).parent)
            write_whole(folder / path, content)
        write_tensors(folder / INITIAL, self.initial, {})
        files = {path: {"bytes": len(content), "sha256": _sha256(content)} for path, content in self.models.items()}
        text = json.dumps({**asdict(self.manifest), "files": files}, indent=1) + "\n"
        write_whole(folder / MANIFEST, text.encode())

    @classmethod
    def load(cls, folder: Path) -> Artifact:
        """Read the artifact in ``folder``; its initial tensors are memory-mapped.

        Raises:
            InputError: it is missing, of another version, incomplete or damaged.
        """
        record = _read_manifest(folder / MANIFEST)
        models = {path: _read_model(folder, path, entry) for path, entry in record.files.items()}
        for needed in record.manifest.model_paths:
            if needed not in models:
                raise InputError(f"{folder / MANIFEST}, files", f"does not list '{needed}'", "build the artifact again")
        initial = read_tensors(folder / INITIAL, mapped=True).tensors
        return cls(record.manifest, models, initial)


def _read_manifest(path: Path) -> Any:
    mend = "name a folder that 'tinyfoa-rt build' or 'train' has written"
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise InputError(str(path), "is too large for a manifest", mend)
        return parse_manifest(str(path), parse_object(path.read_bytes()))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", mend) from error
    except ValueError as error:
        raise InputError(str(path), f"is not JSON ({error})", "build the artifact again") from error


def _read_model(folder: Path, path: str, entry: tuple[int, str]) -> bytes:
    nbytes, digest = entry
    file = folder / path
    mend = "build the artifact again"
    if folder.resolve() not in file.resolve().parents:
        raise InputError(f"{folder / MANIFEST}, files", f"'{path}' lies outside the artifact's folder", mend)
    try:
        if file.stat().st_size != nbytes:
            raise InputError(str(file), f"holds {file.stat().st_size:,} bytes, the manifest says {nbytes:,}", mend)
        content = file.read_bytes()
    except OSError as error:
        raise InputError(str(file), f"cannot be read ({error.strerror})", mend) from error
    if _sha256(content) != digest:
        raise InputError(str(file), "is damaged (its SHA-256 differs from the manifest's)", mend)
    return content


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(folder), f"cannot be made ({error.strerror})", "name a folder that can be written") from error


def _digests(models: Mapping[str, bytes]) -> str:
    return "".join(f"{path}{_sha256(models[path])}" for path in sorted(models))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
