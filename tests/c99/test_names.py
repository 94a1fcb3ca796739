"""Models, blocks and layers of any name compile, in a project that CMake reads."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.c99.exported import ExportedModel
from tests.c99.kernel_library import FLAGS
from tests.c99.trained_pair import export_small
from tests.optional_tools import required_tool
from tinyfoa_rt.export.c99 import lower, project_files
from tinyfoa_rt.export.c99.c_names import identifier, one_line
from tinyfoa_rt.ir.plan import Nonvolatile

LIBRARY_NAMES = ["tinyfoa", "tfoa", "TinyFOA", "tfoa_model", "tinyfoa_model", "tinyfoa.h"]
C_NAMES = [
    "int",
    "for",
    "inline",
    "restrict",
    "_Bool",
    "__FILE__",
    "NULL",
    "EOF",
    "main",
    "model",
    "forward",
    "blocks",
    "AT",
    "c",
]
WILD_NAMES = [
    *(
        "模型",
        "ünï",
        "a/b/../c",
        "C:\\models\\net\\",
        "*/ int x; /*",
        "??/",
        "a\nb",
        'quo"te',
        "$(rm)",
        "${PREFIX}",
        "x" * 300,
        "",
        "3d",
    ),
    "\udcff.onnx",
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return export_small(tmp_path_factory.mktemp("names"))


def write(model: ExportedModel, name: str, folder: Path) -> str:
    """Write the project of the model under a name, which its blocks have too; return its prefix."""
    blocks = tuple(replace(block, name=name) for block in model.source.blocks)
    program = replace(lower(replace(model.source, name=name)))
    program = replace(program, blocks=tuple(replace(block, name=name) for block in program.blocks))
    assert len(blocks) == len(program.blocks)
    for path, text in project_files(program, Nonvolatile(1, 0, 1)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return program.prefix


@pytest.mark.parametrize("name", [*LIBRARY_NAMES, *C_NAMES, *WILD_NAMES], ids=ascii)
def test_a_model_of_any_name_compiles(name: str, small: ExportedModel, tmp_path: Path) -> None:
    prefix = write(small, name, tmp_path)
    command = [required_tool("gcc"), *FLAGS, "-I", str(tmp_path), "-I", str(tmp_path / "tinyfoa"), "-fsyntax-only"]
    subprocess.run([*command, str(tmp_path / f"{prefix}_model.c"), str(tmp_path / "main.c")], check=True, timeout=60)


@pytest.mark.parametrize("name", ["tinyfoa", "a\nmessage(FATAL_ERROR x)", "*/ 模型"])
def test_a_project_of_any_name_is_configured(name: str, small: ExportedModel, tmp_path: Path) -> None:
    write(small, name, tmp_path)
    command = [required_tool("cmake"), "-S", str(tmp_path), "-B", str(tmp_path / "build")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@given(st.text())
@settings(max_examples=500)
def test_prefixes_and_comments(name: str) -> None:
    prefix = identifier(name)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", f"{prefix}_storage_nbytes")
    assert prefix.split("_")[0] not in ("tfoa", "tinyfoa")
    shown = one_line(name)
    assert shown.isprintable() and "*/" not in shown and "/*" not in shown and not shown.endswith("\\")


def test_long_names_stay_apart() -> None:
    assert identifier("n" * 200 + "a") != identifier("n" * 200 + "b")
    assert identifier("net") == "net"
