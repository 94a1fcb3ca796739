"""A checkpoint: the state of a training, kept so that a power cut at any moment leaves the old one or the new one whole.

    state-000012.safetensors    the tensors, under a name that no file had before
    checkpoint.json             the manifest: names that file, its size and hash, the artifact, how far the training was

The order is what keeps it whole: the tensors are on the disk before the manifest names them, the manifest is replaced in one
move, and the old tensors go only when the new manifest is on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.files import sync_folder, write_whole
from tinyfoa_rt.names import elide
from tinyfoa_rt.run.tensor_file import read_tensors, write_tensors
from tinyfoa_rt.strict_json import parse_object
from tinyfoa_rt.units import format_nbytes

__all__ = ["FOLDER", "FORMAT", "MANIFEST", "Checkpoint", "has_checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT = "tinyfoa-checkpoint/1"
MANIFEST = "checkpoint.json"
# In the folder of a run, beside the artifact.
FOLDER = "checkpoint"

_STATE = re.compile(r"state-([0-9]{6,})\.safetensors")
# What a save that was cut short leaves: tensors that no manifest names, temporary files of tensors and of a manifest.
_REMAINS = re.compile(rf"{_STATE.pattern}|\.{_STATE.pattern}\.[0-9]+|\.{re.escape(MANIFEST)}\.[0-9]+")
_LARGEST_MANIFEST = 2**24
_PIECE_NBYTES = 2**20
_ANEW = "take another checkpoint or train anew"


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: tensors by name, in RAM and writable, and the progress as JSON gives it back (tuples as lists)."""

    tensors: dict[str, NDArray[Any]]
    progress: dict[str, Any]


@dataclass(frozen=True)
class _Manifest:
    """The fields of ``checkpoint.json`` but its format; ``nbytes`` and ``sha256`` are those of the file of tensors."""

    file: str
    nbytes: int
    sha256: str
    artifact: str
    progress: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return what the file holds."""
        head = {"format": FORMAT, "file": self.file, "bytes": self.nbytes, "sha256": self.sha256}
        return {**head, "artifact": self.artifact, "progress": self.progress}


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
    assert len(_encode(progress)) < _LARGEST_MANIFEST // 2, "too much progress to be read back; it belongs into tensors"
    _make(folder)
    # What cannot be loaded is replaced, but nothing is removed before there is something better.
    with contextlib.suppress(InputError):
        _remove_remains(folder, keep=_read_manifest(folder).file)
    path = folder / f"state-{_next_number(folder):06d}.safetensors"
    write_tensors(path, tensors, {})
    manifest = _Manifest(path.name, path.stat().st_size, _sha256(path), artifact_id, dict(progress))
    write_whole(folder / MANIFEST, _encode(manifest.fields()))
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
    path = folder / manifest.file
    _check_regular(path, "restore the file that the checkpoint names, or train anew")
    nbytes = path.stat().st_size
    if nbytes != manifest.nbytes:
        raise InputError(str(path), f"is damaged: {nbytes:,} bytes, the checkpoint says {manifest.nbytes:,}", _ANEW)
    if _sha256(path) != manifest.sha256:
        raise InputError(str(path), "is damaged: its SHA-256 is not the one in the checkpoint", _ANEW)
    return Checkpoint(read_tensors(path).tensors, manifest.progress)


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    _check_regular(path, "name a folder that holds a checkpoint, or train anew")
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise InputError(str(path), f"is larger than {format_nbytes(_LARGEST_MANIFEST)}", _ANEW)
        fields = parse_object(path.read_bytes())
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", _ANEW) from error
    except ValueError as error:
        raise InputError(str(path), f"is damaged: {error}", _ANEW) from error
    found = fields.pop("format", None)
    if found != FORMAT:
        problem = f"has the format '{elide(str(found))}', this version reads '{FORMAT}'"
        raise InputError(str(path), problem, "use the version of tinyfoa-rt that wrote it, or train anew")
    return _checked(fields, str(path))


def _checked(fields: dict[str, Any], place: str) -> _Manifest:
    types = {"file": str, "bytes": int, "sha256": str, "artifact": str, "progress": dict}
    for name, expected in types.items():
        if type(fields.get(name)) is not expected:
            raise InputError(place, f"is damaged: '{name}' is missing or of the wrong type", _ANEW)
    if set(fields) != set(types):
        raise InputError(place, "is damaged: it has unknown fields", _ANEW)
    if not _STATE.fullmatch(fields["file"]):
        problem = f"names '{elide(fields['file'])}', which is no file of a checkpoint in this folder"
        raise InputError(place, problem, _ANEW)
    return _Manifest(fields["file"], fields["bytes"], fields["sha256"], fields["artifact"], fields["progress"])


def _check_regular(path: Path, mend: str) -> None:
    """Refuse what is missing, and links too: they may lead out of the folder."""
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", mend) from error
    if not stat.S_ISREG(mode):
        raise InputError(str(path), "is a link or no file", mend)


def _make(folder: Path) -> None:
    """Make the folder and those above it, and wait until their names are on the disk."""
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(folder), f"cannot be made ({error.strerror})", "name a folder that can be written to") from error
    for path in missing:
        sync_folder(path.parent)


def _encode(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode()


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_NBYTES):
                hasher.update(piece)
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", _ANEW) from error
    return hasher.hexdigest()


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
