"""The library of kernels, libtinyfoa_ops (targets/ort/ops, docs/kernels.md): where it is found, and how sessions take it."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.files import read_whole

__all__ = ["CPU", "KERNELS", "find_kernels", "register_kernels"]

CPU = "CPUExecutionProvider"
_SUFFIX = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
# Where `make kernels` puts it, and wheels have it.
KERNELS = Path(__file__).resolve().parents[1] / "lib" / f"{'' if sys.platform == 'win32' else 'lib'}tinyfoa_ops.{_SUFFIX}"
_LARGEST = 2**28
_MEND = "build it again with make kernels, or train with --kernels none"


def find_kernels(kernels: str | Path | None, providers: Sequence[str], *, has_packed_form: bool) -> Path | None:
    """Return the library that sessions shall take; ``None`` for function bodies.

    Args:
        kernels: ``auto`` for the library beside the package, where it is and can be used; a path; ``None`` or ``none``.
        providers: execution providers. The library is the CPU's alone: kernels would split other providers' partitions.
        has_packed_form: of the artifact.

    Raises:
        InputError: there is no such file, or it is cut short.
        UsageError: a library is named that cannot be used.
    """
    if kernels is None or kernels == "none":
        return None
    others = [name for name in providers if name != CPU]
    if kernels == "auto" and (not KERNELS.is_file() or not has_packed_form or others):
        return None
    if others:
        raise UsageError(f"kernels {kernels}", f"would split what {', '.join(others)} runs", f"use them with {CPU} alone")
    if not has_packed_form:
        problem = "can be used with dense layers only, and with artifacts of this version"
        raise UsageError(f"kernels {kernels}", problem, "train with --kernels none, or build the artifact again")
    path = KERNELS if kernels == "auto" else Path(kernels)
    _check_whole(path)
    return path


def _check_whole(path: Path) -> None:
    """Refuse an ELF file that ends before what its header says: the system's loader would end the process."""
    content = read_whole(path, _MEND, largest=_LARGEST)
    if content[:5] != b"\x7fELF\x02":  # another kind of file, which the loader refuses by itself
        return
    try:
        start, sections = struct.unpack_from("<QQ", content, 32)
        size, count, section_size, num_sections = struct.unpack_from("<HHHH", content, 54)
        segments = [struct.unpack_from("<QQQQ", content, start + size * i + 8) for i in range(count)]
    except struct.error as error:
        raise InputError(f"kernels {path}", "are cut short", _MEND) from error
    ends = [offset + nbytes for offset, _, _, nbytes in segments]
    if max(sections + section_size * num_sections, *ends) > len(content):
        raise InputError(f"kernels {path}", "are cut short", _MEND)


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
