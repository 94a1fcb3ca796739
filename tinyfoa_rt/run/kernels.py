"""The library of kernels, libtinyfoa_ops (targets/ort/ops, docs/kernels.md): where it is found, and how sessions take it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyfoa_rt.errors import InputError, UsageError

__all__ = ["CPU", "KERNELS", "find_kernels", "register_kernels"]

CPU = "CPUExecutionProvider"
_SUFFIX = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
# Where `make kernels` puts it, and wheels have it.
KERNELS = Path(__file__).resolve().parents[1] / "lib" / f"{'' if sys.platform == 'win32' else 'lib'}tinyfoa_ops.{_SUFFIX}"
_MEND = "build it again with make kernels, or train with --kernels none"


def find_kernels(kernels: str | Path | None, providers: Sequence[str], *, has_packed_form: bool) -> Path | None:
    """Return the library that sessions shall take; ``None`` for function bodies.

    Args:
        kernels: ``auto`` for the library beside the package, where it is and can be used; a path; ``None`` or ``none``.
        providers: execution providers. The library is the CPU's alone: kernels would split other providers' partitions.
        has_packed_form: of the artifact.

    Raises:
        InputError: there is no such file.
        UsageError: a library is named that cannot be used.
    """
    if kernels is None or kernels == "none":
        return None
    others = [name for name in providers if name != CPU]
    if kernels == "auto":
        return KERNELS if KERNELS.is_file() and has_packed_form and not others else None
    if others:
        raise UsageError(f"kernels {kernels}", f"would split what {', '.join(others)} runs", f"use them with {CPU} alone")
    if not has_packed_form:
        problem = "can be used with dense layers only, and with artifacts of this version"
        raise UsageError(f"kernels {kernels}", problem, "train with --kernels none, or build the artifact again")
    path = Path(kernels)
    if not path.is_file():
        raise InputError(f"kernels {path}", "are missing", "build them with make kernels, or name another file")
    return path


def register_kernels(options: Any, path: Path) -> None:
    """Let the sessions of ``options`` use the library.

    Raises:
        InputError: onnxruntime cannot load it.
    """
    try:
        options.register_custom_ops_library(str(path))
    except Exception as error:  # onnxruntime raises a class of its own for each status
        problem = " ".join(str(error).split())
        raise InputError(f"kernels {path}", f"cannot be loaded ({problem})", _MEND) from error
