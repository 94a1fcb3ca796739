"""Writes the sources of a project that trains an artifact in C++ or C with onnxruntime."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.resources import resource_path

__all__ = ["ProjectFacts", "write_project"]

_SOURCES = "targets/ort"
_PARTS = ("cmake", "include", "ops", "samples", "src")
_KERNELS = "targets/c99/kernels"  # which the library in `ops` is built from
_README = "project/README.md.in"


@dataclass(frozen=True)
class ProjectFacts:
    """What the README of a project says: the model's name, its plan's RAM in bytes, samples a step, and its blocks' names."""

    model: str
    peak_nbytes: int
    batch: int
    blocks: tuple[str, ...]


def write_project(facts: ProjectFacts, required_operators: str, output: Path) -> None:
    """Write trainer, kernels, samples, CMake files, README and the operators that a minimal build needs to ``output``.

    Raises:
        InputError: the folder cannot be written.
    """
    root = resource_path(_SOURCES)
    kernels = resource_path(_KERNELS)
    texts = _texts(root, [root / "CMakeLists.txt", *(path for part in _PARTS for path in (root / part).rglob("*"))])
    texts |= {f"kernels/{name}": text for name, text in _texts(kernels, kernels.rglob("*.[ch]")).items()}
    texts["README.md"] = _filled((root / _README).read_text(encoding="utf-8"), facts)
    texts["required_operators.config"] = required_operators
    for name, text in texts.items():
        path = output / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(str(path), f"cannot be written ({error.strerror})", "name a folder that can be written") from error


def _texts(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Files by their names below ``root``."""
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(paths) if path.is_file()}


def _filled(template: str, facts: ProjectFacts) -> str:
    values = {"NAME": facts.model, "PEAK": f"{facts.peak_nbytes:,}", "BATCH": str(facts.batch), "BLOCKS": ", ".join(facts.blocks)}
    for key, value in values.items():
        template = template.replace(f"@{key}@", value)
    return template
