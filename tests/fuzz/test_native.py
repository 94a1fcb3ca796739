"""The harnesses for libFuzzer, built as OSS-Fuzz builds them, for a bounded time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.optional_tools import TOOLCHAINS, can_fuzz, required_tool, skip_without
from tests.ort.driver import installed_library, link_root
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer

HERE = Path(__file__).parent / "native"
SECONDS = 3


def build(folder: Path, **more: str) -> Path:
    (folder / "probe").mkdir()
    if not can_fuzz(folder / "probe"):
        skip_without("clang's runtime for fuzzing", TOOLCHAINS)
    flags = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
    tools = {"CXX": required_tool("clang++"), "CXXFLAGS": flags, "LIB_FUZZING_ENGINE": "-fsanitize=fuzzer", **more}
    environment = {**os.environ, **tools, "OUT": str(folder / "out")}
    done = subprocess.run([HERE / "build.sh"], env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / "out"


def fuzz(program: Path, corpus: Mapping[str, bytes], **environment: str) -> None:
    folder = program.parent / f"{program.name}-corpus"
    folder.mkdir()
    for name, content in corpus.items():
        (folder / name).write_bytes(content)
    # onnxruntime keeps some memory until the process ends.
    given = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", **environment}
    limits = [f"-max_total_time={SECONDS}", "-seed=1", "-timeout=20", "-rss_limit_mb=4096", "-close_fd_mask=1"]
    command = [str(program), *limits, str(folder)]
    done = subprocess.run(command, env=given, cwd=program.parent, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    trainer = Trainer(artifact_of(folder))
    trainer.partial_fit(*blobs(24))
    trainer.save(folder / "run")
    return folder / "run"


@pytest.mark.slow
def test_readers(saved: Path, tmp_path: Path) -> None:
    programs = build(tmp_path)
    state = next((saved / "checkpoint").glob("state-*")).read_bytes()
    fuzz(programs / "fuzz_json", {"manifest": (saved / "manifest.json").read_bytes(), "plan": (saved / "plan.json").read_bytes()})
    fuzz(programs / "fuzz_tensors", {"initial": (saved / "initial.safetensors").read_bytes(), "state": state})
    fuzz(programs / "fuzz_model", {"step": (saved / "steps" / "1.onnx").read_bytes()})


@pytest.mark.slow
def test_the_c_api(saved: Path, tmp_path: Path) -> None:
    programs = build(tmp_path, ORT_ROOT=str(link_root(tmp_path / "root")))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libonnxruntime.so.1").symlink_to(installed_library())
    names = ("manifest.json", "checkpoint/checkpoint.json", "initial.safetensors", "steps/1.onnx")
    corpus = {name.replace("/", "-"): bytes([which]) + (saved / name).read_bytes() for which, name in enumerate(names)}
    fuzz(programs / "fuzz_c_api", corpus, TINYFOA_FUZZ_ARTIFACT=str(saved), LD_LIBRARY_PATH=str(tmp_path / "lib"))
