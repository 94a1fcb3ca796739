"""The exported folder as applications use it: with CMake, from C++ with a second model, and as one file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from tests.c99.exported import DRIVER, build_artifact, project_sources, run_driver
from tests.c99.kernel_library import FLAGS, required_tool
from tests.c99.test_export import SIZES, run_of
from tools.amalgamate import amalgam

HERE = Path(__file__).parent


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=cwd, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_builds_with_cmake_and_learns(tmp_path: Path) -> None:
    build_artifact(tmp_path, (20, 16, 12, 4), slices="2x2", batch=1)
    project = tmp_path / "project"
    warnings = "-O2 -Wall -Wextra -Wpedantic -Wconversion -Werror"
    run(required_tool("cmake"), "-S", project, "-B", tmp_path / "build", f"-DCMAKE_C_FLAGS={warnings}", "-DTFOA_KERNELS=swar")
    run("cmake", "--build", tmp_path / "build")
    last = run(tmp_path / "build" / "net_example").splitlines()[-1]
    assert last.startswith("status 0, ")
    assert int(last.split()[2]) > 60, last  # of 100; chance gives 25


def test_two_models_in_one_cpp_program(tmp_path: Path) -> None:
    for name, sizes in (("first", (12, 10, 4)), ("second", (9, 8, 3))):
        (tmp_path / name).mkdir()
        build_artifact(tmp_path / name, sizes, name=name, slices="1x2", batch=1)
    objects = []
    second = [*(tmp_path / "second" / "project").glob("*_model.c")]
    includes = [part for name in ("first", "second") for part in ("-I", str(tmp_path / name / "project"))]
    includes += ["-I", str(tmp_path / "first" / "project" / "tinyfoa")]
    for path in (*project_sources(tmp_path / "first" / "project"), *second):
        objects.append(tmp_path / f"{path.parent.parent.parent.name}-{path.stem}.o")
        run(required_tool("gcc"), *FLAGS, *includes, "-c", path, "-o", objects[-1])
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
    run(required_tool("g++"), *flags, *includes, HERE / "two_models.cpp", *objects, "-o", tmp_path / "both", "-lm")
    assert run(tmp_path / "both") == "0.1.0 5 3\n"


def test_one_file_gives_the_same_bits(tmp_path: Path) -> None:
    artifact = build_artifact(tmp_path, SIZES, slices="3x2", batch=3)
    expected = run_driver(tmp_path, artifact, run_of())
    for name, text in amalgam().items():
        path = tmp_path / "single" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    single = tmp_path / "single"
    includes = ("-I", single, "-I", tmp_path / "project", "-I", HERE)
    sources = (single / "tinyfoa.c", tmp_path / "project" / "net_model.c", DRIVER, HERE / "driver_stdio.c")
    run(required_tool("gcc"), *FLAGS, *includes, *sources, "-o", tmp_path / "alone", "-lm")
    run(tmp_path / "alone", cwd=tmp_path)
    storage = (tmp_path / "output.bin").read_bytes()[-len(expected.storage) :]
    np.testing.assert_array_equal(np.frombuffer(storage, np.uint8), np.frombuffer(expected.storage, np.uint8))
