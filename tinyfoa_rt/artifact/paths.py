"""The paths that files of an artifact may have: a manifest from outside must not name any other file of the user's."""

from __future__ import annotations

import re

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.names import elide

__all__ = [
    "INFERENCE", "INITIAL", "MANIFEST", "PLAN", "SOURCE_MODEL",
    "check_model_path", "check_path", "exit_path", "head_path", "is_exit_path", "packed_path",
]  # fmt: skip

MANIFEST = "manifest.json"
PLAN = "plan.json"
INITIAL = "initial.safetensors"
INFERENCE = "inference.onnx"
SOURCE_MODEL = "source/model.onnx"

_MODEL = re.compile(r"(steps|forward)/(0|[1-9][0-9]{0,8})\.(onnx|ort)")
_EXIT = re.compile(r"(heads|exits)/(0|[1-9][0-9]{0,8})\.onnx")
_FILES = frozenset((INITIAL, INFERENCE, PLAN, SOURCE_MODEL))
_MEND = "build the artifact again"


def packed_path(path: str) -> str:
    """Where the packed form of a step or a stage is."""
    return f"packed/{path}"


def head_path(index: int) -> str:
    """Where the prediction of block ``index`` by its own head is: a stage from what enters the block to its scores."""
    return f"heads/{index}.onnx"


def exit_path(index: int) -> str:
    """Where the trained model that ends at block ``index`` is, by its head."""
    return f"exits/{index}.onnx"


def is_exit_path(path: str) -> bool:
    """Whether a path is one of those that an artifact has only where it was built with exits."""
    return _EXIT.fullmatch(path.removeprefix("packed/")) is not None


def check_model_path(place: str, path: str) -> None:
    """Refuse a path that is none of a step or a stage, in its form that is not packed.

    Raises:
        InputError: it begins with ``place``.
    """
    if not _MODEL.fullmatch(path):
        raise InputError(f"{place}, '{elide(path)}'", "is no path of a step or a stage", _MEND)


def check_path(place: str, path: str) -> None:
    """Refuse a path that the manifest must not list: those that it may are fixed, and all lie in the artifact's folder.

    Raises:
        InputError: it begins with ``place``.
    """
    if path not in _FILES and not _MODEL.fullmatch(path.removeprefix("packed/")) and not is_exit_path(path):
        raise InputError(f"{place}, '{elide(path)}'", "is no path of a file in an artifact", _MEND)
