"""Compile the C++ trainer against onnxruntime's headers, and run it on the library inside the installed wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.optional_tools import required_tool, skip_without

__all__ = [
    "AARCH64",
    "HEADERS",
    "PYTHON_AARCH64",
    "ROOT",
    "Driver",
    "build_driver",
    "compile_cpp",
    "installed_library",
    "link_root",
]

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "targets" / "ort"
HEADERS = ROOT / "build" / "ort-headers" / "include"
AARCH64 = ROOT / "build" / "ort-aarch64"
PYTHON_AARCH64 = ROOT / "build" / "python-aarch64"
FLAGS = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror"]
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def installed_library() -> Path:
    """The shared library inside onnxruntime's wheel."""
    spec = find_spec("onnxruntime")
    assert spec is not None and spec.origin is not None
    found = sorted((Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        skip_without("libonnxruntime.so", "onnxruntime's wheel for Linux")
    return found[0]


def link_root(folder: Path, compiler: str = "gcc") -> Path:
    """A folder with include/ and lib/ to link against, as ORT_ROOT is.

    The library is a stub: the one in the wheel marks its symbols with its own version, which a binary would then ask for.
    """
    if not (HEADERS / "onnxruntime_c_api.h").exists():
        skip_without("onnxruntime's headers", "tools/fetch_ort_headers.sh")
    (folder / "lib").mkdir(parents=True)
    (folder / "include").symlink_to(HEADERS)
    source = folder / "stub.c"
    source.write_text("int OrtGetApiBase(void) { return 0; }\n")
    stub = ["-shared", "-fPIC", "-Wl,-soname,libonnxruntime.so.1", "-o", str(folder / "lib" / "libonnxruntime.so")]
    subprocess.run([required_tool(compiler), *stub, str(source)], check=True)
    return folder


def compile_cpp(root: Path, sources: Sequence[Path], binary: Path, flags: Sequence[str] = (), compiler: str = "g++") -> None:
    """Compile and link a program with the trainer; warnings are errors."""
    include = ["-I", str(TARGET / "include"), "-isystem", str(root / "include")]
    link = ["-L", str(root / "lib"), "-lonnxruntime", "-o", str(binary)]
    command = [required_tool(compiler), *FLAGS, *flags, *include, *map(str, sources), *link]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def build_driver(root: Path, folder: Path, *, sanitized: bool = False, compiler: str = "g++") -> Path:
    """Compile tests/ort/drive.cpp with the C ABI; return its path."""
    binary = folder / ("drive-sanitized" if sanitized else "drive")
    sources = [Path(__file__).with_name("drive.cpp"), TARGET / "src" / "tinyfoa_ort_c.cpp"]
    compile_cpp(root, sources, binary, SANITIZE if sanitized else (), compiler)
    return binary


@dataclass
class Driver:
    """Runs the compiled trainer on some data, with a library of onnxruntime; an emulator runs that of another processor."""

    binary: Path
    library: Path
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    emulator: tuple[str, ...] = ()

    def run(self, artifact: Path, x: NDArray[Any], y: NDArray[Any], *words: str) -> list[Any]:
        """What the driver prints, each line as JSON; it must not crash."""
        data = self.folder / "x.f32"
        targets = self.folder / ("y.i64" if y.dtype.kind in "iu" else "y.f32")
        data.write_bytes(np.ascontiguousarray(x, np.float32).tobytes())
        targets.write_bytes(np.ascontiguousarray(y, np.int64 if y.dtype.kind in "iu" else np.float32).tobytes())
        done = self.execute([*self.emulator, str(self.binary), str(artifact), str(data), str(targets), *words])
        assert done.returncode == 0, f"exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-3000:]}"
        assert not done.stderr, done.stderr[-3000:]
        return [json.loads(re.sub(r": -?nan\b", ": NaN", line)) for line in done.stdout.splitlines()]

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a program on the library."""
        loaded = self.folder / "lib"
        loaded.mkdir(exist_ok=True)
        link = loaded / "libonnxruntime.so.1"
        link.unlink(missing_ok=True)
        link.symlink_to(self.library)
        environment = {**os.environ, **self.env, "LD_LIBRARY_PATH": str(loaded)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)

    def steps(self, artifact: Path, x: NDArray[Any], y: NDArray[Any], *words: str) -> list[float]:
        """The losses of steps; nothing may fail."""
        lines = self.run(artifact, x, y, *words)
        assert not [line for line in lines if "status" in line], lines
        return [line["loss"] for line in lines]
