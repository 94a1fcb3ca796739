"""Compile C99 kernels into a shared library and call them with NumPy arrays."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tests.optional_tools import required_tool

__all__ = ["FLAGS", "KERNELS", "SANITIZE", "SANITIZED", "as_c", "build_library", "call"]

SANITIZED = "TINYFOA_SANITIZED_KERNELS"  # set where the sanitizers' runtime is loaded already
KERNELS = Path(__file__).resolve().parents[2] / "targets" / "c99" / "kernels"
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FLAGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-ffp-contract=off", "-fno-math-errno"]


def build_library(folder: Path, compiler: str, sources: Sequence[Path], *, flags: Sequence[str] = ()) -> ctypes.CDLL:
    """Compile ``sources`` with the project's flags and load the result; warnings are errors."""
    library = folder / f"kernels-{compiler}.so"
    if os.environ.get(SANITIZED):
        flags = [*flags, *SANITIZE]
    command = [required_tool(compiler), *FLAGS, *flags, "-shared", "-fPIC", *map(str, sources), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


def call(library: ctypes.CDLL, name: str, *arguments: Any) -> None:
    """Call a kernel: arrays and addresses go by address, structures by reference, Python numbers as int32_t and float."""
    kernel = getattr(library, name)
    kernel.restype = None
    kernel(*map(as_c, arguments))


def as_c(argument: Any) -> Any:
    """An argument of a kernel as ctypes passes it."""
    if argument is None:
        return ctypes.c_void_p()
    if isinstance(argument, ctypes.c_void_p):
        return argument
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if isinstance(argument, int):
        return ctypes.c_int32(argument)
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return ctypes.c_void_p(_checked(argument).ctypes.data)


def _checked(array: NDArray[Any]) -> NDArray[Any]:
    assert array.flags.c_contiguous
    return array
