"""The compiled trainer, once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ort.driver import Driver, build_driver, installed_library, link_root


@pytest.fixture(scope="session")
def ort_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return link_root(tmp_path_factory.mktemp("ort") / "root")


@pytest.fixture(scope="session")
def drive_binary(ort_root: Path) -> Path:
    return build_driver(ort_root, ort_root)


@pytest.fixture(scope="session")
def sanitized_binary(ort_root: Path) -> Path:
    return build_driver(ort_root, ort_root, sanitized=True)


@pytest.fixture
def driver(drive_binary: Path, tmp_path: Path) -> Driver:
    (tmp_path / "driver").mkdir()
    return Driver(drive_binary, installed_library(), tmp_path / "driver")


@pytest.fixture
def sanitized(sanitized_binary: Path, tmp_path: Path) -> Driver:
    (tmp_path / "sanitized").mkdir()
    # onnxruntime keeps some memory until the process ends, and its exceptions pass through a library that is not instrumented.
    return Driver(sanitized_binary, installed_library(), tmp_path / "sanitized", {"ASAN_OPTIONS": "detect_leaks=0"})
