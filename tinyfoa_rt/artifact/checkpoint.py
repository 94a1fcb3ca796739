"""A checkpoint: the state of a training, kept so that a power cut at any moment leaves the old one or the new one whole.

    state-000012.safetensors    the tensors, and how far the training was as metadata, under a name that no file had before
    checkpoint.json             the manifest: names that file, its size and hash, and the artifact

The order is what keeps it whole: the tensors are on the disk before the manifest names them, the manifest is replaced in one
move, and the old tensors go only when the new manifest is on the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.artifact.digest import Digest
from tinyfoa_rt.artifact.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import make_folder, read_whole, sync_folder, write_whole
from tinyfoa_rt.names import elide
from tinyfoa_rt.strict_json import parse_object

__all__ = ["FOLDER", "FORMAT", "MANIFEST", "Checkpoint", "has_checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT = "tinyfoa-checkpoint/4"
MANIFEST = "checkpoint.json"
# In the folder of a run, beside the artifact.
FOLDER = "checkpoint"

_STATE = re.compile(r"state-([0-9]{6,})\.safetensors")
# What a save that was cut short leaves: tensors that no manifest names, temporary files of tensors and of a manifest.
_REMAINS = re.compile(rf"{_STATE.pattern}|\.{_STATE.pattern}\.[0-9]+|\.{re.escape(MANIFEST)}\.[0-9]+")
_LARGEST_MANIFEST = 2**24
_LARGEST_PROGRESS = 2**22
# In the metadata of the tensors, whose file has a digest.
_PROGRESS = "progress"
_ANEW = "take another checkpoint or train anew"


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: tensors by name, in RAM and writable, and the progress as JSON gives it back (tuples as lists)."""

    tensors: dict[str, NDArray[Any]]
    progress: dict[str, Any]


@dataclass(frozen=True)
class _Manifest:
    """The fields of ``checkpoint.json`` but its format; ``digest`` is that of the file of tensors."""

    file: str
    digest: Digest
    artifact: str

    def fields(self) -> dict[str, Any]:
        """Return what the file holds."""
        head = {"format": FORMAT, "file": self.file, "bytes": self.digest.nbytes, "sha256": self.digest.sha256}
        return {**head, "artifact": self.artifact}


def has_checkpoint(run: Path) -> bool:
    """Whether the folder of a run holds a checkpoint: its manifest comes last."""
    return (run / FOLDER / MANIFEST).exists()


def save_checkpoint(folder: Path, tensors: Mapping[str, NDArray[Any]], progress: Mapping[str, Any], artifact_id: str) -> None:
    """Save into ``folder`` in place of the checkpoint there; a failure or a power cut leaves that one as it is.

    When the call returns, the new checkpoint is on the disk. For a moment both are: room for two is needed.

    Args:
        folder: is made if it is not there.
        tensors: finite, of the types of ``write_tensors``.
        progress: values of JSON, finite; no types of numpy.
        artifact_id: says what was trained; ``load_checkpoint`` wants the same.

    Raises:
        InputError: the folder cannot be written to, the disk is full, or a tensor holds NaN or Inf.
    """
    try:
        text = json.dumps(progress, allow_nan=False)
    except ValueError as error:  # a rate follows from what the model computes
        problem = "is not written: the progress holds NaN or Inf"
        raise InputError(str(folder), problem, "the training has diverged: lower the rate") from error
    assert len(text) < _LARGEST_PROGRESS, "too much progress to be read back; it belongs into tensors"
    _refuse_link(folder)
    make_folder(folder)
    # What cannot be loaded is replaced, but nothing is removed before there is something better.
    with contextlib.suppress(InputError):
        _remove_remains(folder, keep=_read_manifest(folder).file)
    path = folder / f"state-{_next_number(folder):06d}.safetensors"
    manifest = _Manifest(path.name, write_tensors(path, tensors, {_PROGRESS: text}), artifact_id)
    write_whole(folder / MANIFEST, json.dumps(manifest.fields(), indent=1).encode())
    _remove_remains(folder, keep=path.name)


def load_checkpoint(folder: Path, artifact_id: str) -> Checkpoint:
    """Return the checkpoint in ``folder``, checked against its hash.

    Raises:
        InputError: none is there, it is damaged, of another format version, or of another artifact than ``artifact_id``.
    """
    manifest = _read_manifest(folder)
    if manifest.artifact != artifact_id:
        problem = f"belongs to another artifact ('{elide(manifest.artifact, 24)}', not '{elide(artifact_id, 24)}')"
        raise InputError(
            str(folder / MANIFEST), problem, "resume with the artifact it was saved for, or train into another folder"
        )
    state = read_tensors(folder / manifest.file, digest=manifest.digest, mend=_ANEW)
    try:
        progress = parse_object(state.metadata[_PROGRESS].encode())
    except (KeyError, ValueError) as error:
        raise InputError(str(folder / manifest.file), "does not say how far the training was", _ANEW) from error
    return Checkpoint(state.tensors, progress)


def _read_manifest(folder: Path) -> _Manifest:
    _refuse_link(folder)
    path = folder / MANIFEST
    content = read_whole(
        path, "name a folder that holds a checkpoint, or train anew", largest=_LARGEST_MANIFEST, follows_links=False
    )
    try:
        fields = parse_object(content)
    except ValueError as error:
        raise InputError(str(path), f"is damaged: {error}", _ANEW) from error
    found = fields.pop("format", None)
    if found != FORMAT:
        problem = f"has the format '{elide(str(found))}', this version reads '{FORMAT}'"
        raise InputError(str(path), problem, "use the version of tinyfoa-rt that wrote it, or train anew")
    return _checked(fields, str(path))


def _checked(fields: dict[str, Any], place: str) -> _Manifest:
    types = {"file": str, "bytes": int, "sha256": str, "artifact": str}
    for name, expected in types.items():
        if type(fields.get(name)) is not expected:
            raise InputError(place, f"is damaged: '{name}' is missing or of the wrong type", _ANEW)
    if set(fields) != set(types):
        raise InputError(place, "is damaged: it has unknown fields", _ANEW)
    if not _STATE.fullmatch(fields["file"]):
        problem = f"names '{elide(fields['file'])}', which is no file of a checkpoint in this folder"
        raise InputError(place, problem, _ANEW)
    return _Manifest(fields["file"], Digest(fields["bytes"], fields["sha256"]), fields["artifact"])


def _refuse_link(folder: Path) -> None:
    """Refuse a folder that is a link: the run that it lies in may come from outside, and files in it are removed."""
    if folder.is_symlink():
        raise InputError(str(folder), "is a link, which may lead out of the run", "name another run")


def _next_number(folder: Path) -> int:
    """One more than any number in the folder: a name is never used twice, so an old manifest never names new tensors."""
    return 1 + max((int(n) for name in _remains(folder) for n in re.findall("state-([0-9]+)", name)), default=0)


def _remove_remains(folder: Path, *, keep: str) -> None:
    remains = [name for name in _remains(folder) if name != keep and not (folder / name).is_dir()]
    if remains:
        # The manifest seen here may not be on the disk, if the process that wrote it was killed: the one there needs its tensors.
        sync_folder(folder)
    try:
        for name in remains:
            os.unlink(folder / name)
    except OSError as error:
        raise InputError(str(folder), f"cannot be tidied ({error.strerror})", "name a folder that can be written to") from error


def _remains(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if _REMAINS.fullmatch(path.name))
    except OSError as error:
        raise InputError(str(folder), f"cannot be read ({error.strerror})", "name a folder that can be read") from error
