"""Anything in the storage, for a bounded time: libFuzzer with the sanitizers; and valgrind over a training."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.c99.exported import LIBRARY, ExportedModel, library_sources, write_sources
from tests.c99.kernel_library import FLAGS
from tests.c99.trained_pair import export_small
from tests.optional_tools import TOOLCHAINS, can_fuzz, required_tool, skip_without
from tinyfoa_rt.export.c99 import state_image

HERE = Path(__file__).parent
SECONDS = 8


def built(model: ExportedModel, folder: Path, command: list[str], program: Path) -> Path:
    generated = write_sources(model.program, folder)
    sources = [program, generated, *library_sources()]
    include = ["-I", str(LIBRARY), "-I", str(folder), "-I", str(HERE)]
    subprocess.run(
        [*command, *FLAGS, *include, *map(str, sources), "-lm", "-o", str(folder / "program")], check=True, timeout=300
    )
    return folder / "program"


@pytest.mark.parametrize("options", [{}, {"binarize": "none", "optimizer": "adam"}], ids=["bits", "real"])
def test_any_state(options: dict[str, str], tmp_path: Path) -> None:
    if not can_fuzz(tmp_path):
        skip_without("clang's runtime for fuzzing", TOOLCHAINS)
    model = export_small(tmp_path, (40, 12, 4), **options)
    fuzz = [required_tool("clang"), "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    program = built(model, tmp_path, fuzz, HERE / "fuzz_state.c")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for first in range(4):
        (corpus / f"right-{first}").write_bytes(bytes([first]) + state_image(model.program)[:400])
    limits = [f"-max_total_time={SECONDS}", "-seed=1", f"-max_len={model.program.storage_nbytes + 1}", "-timeout=5"]
    done = subprocess.run([program, *limits, str(corpus)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_valgrind_finds_nothing(tmp_path: Path) -> None:
    model = export_small(tmp_path, batch=2, optimizer="momentum")
    sizes = [f"-D{name}=SMALL_{name}" for name in ("ARENA_NBYTES", "STORAGE_NBYTES", "BATCH", "INPUTS", "OUTPUTS")]
    defined = [*sizes, '-DMODEL_HEADER="small_model.h"', "-DMODEL=small_model", "-DIS_MAPPED=0", str(HERE / "write_line.c")]
    program = built(model, tmp_path, [required_tool("gcc"), "-g", *defined], HERE / "trajectory.c")
    valgrind = [required_tool("valgrind"), "--error-exitcode=9", "--track-origins=yes", "-q"]
    done = subprocess.run([*valgrind, str(program)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
