"""The compiled trainer, once a session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.emit.old_onnxruntime import ENVIRONMENT
from tests.optional_tools import required_tool, skip_without
from tests.ort.driver import AARCH64, Driver, build_driver, installed_library, link_root
from tests.ort_ops.conftest import CROSS, compile_library, library

__all__ = ["library"]


@pytest.fixture(scope="session")
def ort_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return link_root(tmp_path_factory.mktemp("ort") / "root")


@pytest.fixture(scope="session")
def drive_binary(ort_root: Path) -> Path:
    return build_driver(ort_root, ort_root)


@pytest.fixture(scope="session")
def sanitized_binary(ort_root: Path) -> Path:
    return build_driver(ort_root, ort_root, sanitized=True)


@pytest.fixture(scope="session")
def aarch64_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (AARCH64 / "ready").exists():
        skip_without("onnxruntime for AArch64", "tools/fetch_ort_aarch64.sh")
    root = link_root(tmp_path_factory.mktemp("ort-aarch64") / "root", "aarch64-linux-gnu-gcc")
    return build_driver(root, root, compiler="aarch64-linux-gnu-g++")


@pytest.fixture
def driver(drive_binary: Path, tmp_path: Path) -> Driver:
    (tmp_path / "driver").mkdir()
    return Driver(drive_binary, installed_library(), tmp_path / "driver")


@pytest.fixture
def sanitized(sanitized_binary: Path, tmp_path: Path) -> Driver:
    (tmp_path / "sanitized").mkdir()
    # onnxruntime keeps some memory until the process ends, and its exceptions pass through a library that is not instrumented.
    return Driver(sanitized_binary, installed_library(), tmp_path / "sanitized", {"ASAN_OPTIONS": "detect_leaks=0"})


@pytest.fixture
def aarch64(aarch64_binary: Path, tmp_path: Path) -> Driver:
    """The trainer on an emulated processor of 64-bit ARM, with onnxruntime's library for it."""
    (tmp_path / "aarch64").mkdir()
    emulator = (required_tool("qemu-aarch64"), "-L", str(AARCH64 / "sysroot"))
    # The default, all that QEMU knows, is many times slower.
    environment = {"QEMU_CPU": "cortex-a72"}
    return Driver(aarch64_binary, AARCH64 / "lib" / "libonnxruntime.so.1", tmp_path / "aarch64", environment, emulator)


@pytest.fixture(scope="session")
def aarch64_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of kernels for 64-bit ARM."""
    required_tool("aarch64-linux-gnu-gcc")
    return compile_library(tmp_path_factory.mktemp("ops-aarch64"), *CROSS)


@pytest.fixture
def oldest(driver: Driver) -> Driver:
    """The same binary on onnxruntime 1.19.2."""
    found = sorted(ENVIRONMENT.glob("lib/python*/site-packages/onnxruntime/capi/libonnxruntime.so.1.19.2"))
    if not found:
        skip_without("onnxruntime 1.19.2", "make .venv-ort119/ready")
    return replace(driver, library=found[0])
