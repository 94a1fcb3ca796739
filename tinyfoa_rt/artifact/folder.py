"""The artifact: what building a plan yields, and all that training needs. A folder of

    manifest.json             what is there, in this module's terms
    steps/N-BLOCK.onnx        one training step of each block
    forward/N.onnx            the forward pass up to block N, and from the last block to the output
    heads/N.onnx              where it was built with exits: block N and its head, from what enters the block to scores
    exits/N.onnx              the trained model that ends at block N, and behind the last one as it was given: what is written
                              to inference.onnx, which no reader opens then
    packed/                   steps and forward passes again, their bits in words: what kernels run (docs/kernels.md)
    inference.onnx            the trained model; the manifest says where its parameters lie, which its digest does not count
    initial.safetensors       the state that training begins with
    plan.json                 the plan that it was built from
    source/model.onnx         of a plan for generated C: the model, which exporting needs

Files are untrusted: the manifest names each with its size and SHA-256, none by a path that an artifact does not have, and none is
reached through a link. Graphs hold all their data: onnxruntime opens no other file because of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.artifact.digest import Digest
from tinyfoa_rt.artifact.external_data import refuse_external_data
from tinyfoa_rt.artifact.manifest import ParsedManifest, parse_manifest
from tinyfoa_rt.artifact.paths import (
    INFERENCE,
    INITIAL,
    MANIFEST,
    PLAN,
    SOURCE_MODEL,
    check_path,
    exit_path,
    head_path,
    packed_path,
)
from tinyfoa_rt.artifact.records import BlockRecord, Manifest
from tinyfoa_rt.artifact.tensor_file import digest_tensors, read_tensors, write_tensors
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import below, make_folder, read_whole, reading, write_whole
from tinyfoa_rt.strict_json import parse_object

__all__ = ["INFERENCE", "LARGEST_MODEL", "MANIFEST", "PLAN", "SOURCE_MODEL", "Artifact", "exit_path", "head_path", "packed_path"]

_LARGEST_MANIFEST = 2**24
LARGEST_MODEL = 2**31 - 1  # a protobuf message holds no more
_MEND = "build the artifact again"
_ANOTHER_FOLDER = "name a new folder"


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

    @cached_property
    def manifest_text(self) -> bytes:
        """The bytes of manifest.json, which names the digests of all other files."""
        digests = {path: Digest.of(content, _changing(path, self.manifest)) for path, content in self.models.items()}
        digests[INITIAL] = digest_tensors(self.initial)
        files = {path: {"bytes": digest.nbytes, "sha256": digest.sha256} for path, digest in digests.items()}
        return (json.dumps({**asdict(self.manifest), "files": files}, indent=1) + "\n").encode()

    @property
    def id(self) -> str:
        """Tells artifacts apart: a checkpoint belongs to one."""
        return hashlib.sha256(self.manifest_text).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the artifact; the manifest comes last, so that a folder with one is complete.

        Raises:
            InputError: the folder cannot be written, a link in it leads elsewhere, or a path is none of an artifact.
        """
        for path in self.models:
            check_path(str(folder), path)
        for path, content in self.models.items():
            file = below(folder, path, _ANOTHER_FOLDER)
            make_folder(file.parent)
            write_whole(file, content)
        write_tensors(below(folder, INITIAL, _ANOTHER_FOLDER), self.initial, {})
        write_whole(folder / MANIFEST, self.manifest_text)

    @classmethod
    def load(cls, folder: Path) -> Artifact:
        """Read the artifact in ``folder``; its initial tensors are memory-mapped.

        Raises:
            InputError: it is missing, of another version, incomplete or damaged.
        """
        text, record = _read_manifest(folder)
        for needed in (*record.manifest.model_paths, INITIAL, INFERENCE):
            if needed not in record.files:
                raise InputError(f"{folder / MANIFEST}, files", f"does not list '{needed}'", _MEND)
        whole = exit_path(len(record.manifest.blocks))
        unread = (INITIAL, INFERENCE) if whole in record.files else (INITIAL,)
        models = {path: _read_model(folder, path, record) for path in record.files if path not in unread}
        if whole in models:  # inference.onnx may end at any block
            models[INFERENCE] = models[whole]
        initial = below(folder, INITIAL, _MEND)
        tensors = read_tensors(initial, mapped=True, digest=record.files[INITIAL], mend=_MEND).tensors
        artifact = cls(record.manifest, models, tensors)
        vars(artifact)["manifest_text"] = text  # as it is spelt there: the id is its hash
        return artifact


def _read_manifest(folder: Path) -> tuple[bytes, ParsedManifest]:
    """Return the bytes of the manifest, and what they say."""
    mend = "name a folder that 'tinyfoa-rt build' or 'train' has written"
    path = below(folder, MANIFEST, mend)
    try:
        text = read_whole(path, mend, largest=_LARGEST_MANIFEST, follows_links=False)
        content = parse_object(text)
    except ValueError as error:
        raise InputError(str(path), f"is not JSON ({error})", _MEND) from error
    return text, parse_manifest(str(path), content)


def _changing(path: str, manifest: Manifest) -> list[tuple[int, int]]:
    """The bytes of a file that training changes."""
    parameters = manifest.parameters if path == INFERENCE else ()
    return [(each.offset, each.offset + each.nbytes) for each in parameters]


def _read_model(folder: Path, path: str, record: ParsedManifest) -> bytes:
    with reading(below(folder, path, _MEND), _MEND, largest=LARGEST_MODEL, follows_links=False) as file:
        record.files[path].check(file, str(folder / path), _MEND, _changing(path, record.manifest))
        content = file.read()
    if path.endswith(".onnx") and path != SOURCE_MODEL:  # the loader reads that one, and looks for external data itself
        refuse_external_data(content, str(folder / path))
    return content
