"""The project that an export writes: its text, its build, and who may use it."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.c99.exported import LIBRARY, Device, ExportedModel, library_sources, write_sources
from tests.c99.kernel_library import FLAGS
from tests.c99.trained_pair import export_small, exported
from tests.emit.local_models import local_net
from tests.golden_files import check_golden
from tests.optional_tools import required_tool
from tests.run.trained_models import artifact_of, blobs
from tests.small_models import load_model
from tinyfoa_rt.cli import main
from tinyfoa_rt.errors import InputError, UnsupportedError
from tinyfoa_rt.export.c99 import lower, render, state_image
from tinyfoa_rt.export.c99.render_calls import render_float
from tinyfoa_rt.export.to_c99 import c_source
from tinyfoa_rt.run.trainer import Trainer


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with a checkpoint in the middle of its second block."""
    folder = tmp_path_factory.mktemp("trained")
    trainer = Trainer(artifact_of(folder, target="c99", optimizer="momentum"))
    x, y = blobs()
    for report in trainer.iterate(x, y, normalization=None, epochs=2):
        if report.total_steps == 45:
            break
    trainer.save(folder / "artifact")
    return folder / "artifact"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_project_builds_and_its_example_learns(trained: Path, tmp_path: Path) -> None:
    cmake = required_tool("cmake")
    run("export", str(trained), "--format", "c99", "-o", str(tmp_path / "c"))
    warnings = "-DCMAKE_C_FLAGS=-O2 -Wall -Wextra -Wpedantic -Wconversion -Werror"
    for command in (["-S", "c", "-B", "build", warnings, "-DTFOA_KERNELS=swar"], ["--build", "build"]):
        subprocess.run([cmake, *command], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    example = tmp_path / "build" / "small_example"
    first = subprocess.run([example], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "block 1" in first and "block 0" not in first  # the checkpoint had trained the first
    status, right = re.fullmatch(r"status (\d+), (\d+) of 100 samples right", first.splitlines()[-1]).groups()  # type: ignore[union-attr]
    assert status == "0" and int(right) > 60  # chance gives 25
    second = subprocess.run([example], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "block" not in second  # all is learnt, and the file has kept it


def test_a_checkpoint_is_gone_on_with(trained: Path, tmp_path: Path) -> None:
    """Weights, scales, optimizer state and progress: the exported model predicts as the trainer does."""
    trainer = Trainer.load(trained)
    source = c_source(trainer.artifact, trainer.state.arrays(), trainer.progress)
    device = Device(ExportedModel.build(source, tmp_path)).start()
    assert (device.progress().block, device.progress().total_steps) == (trainer.progress.block, trainer.progress.total_steps)
    assert [block.starting_rate for block in source.blocks[:2]] == list(trainer.progress.rates.values())
    x, _ = blobs(50, 1)
    np.testing.assert_allclose(device.predict(x), trainer.scores(x), rtol=1e-5, atol=1e-5)  # sums in another order


def test_the_same_artifact_gives_the_same_files(trained: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        run("export", str(trained), "--format", "c99", "-o", str(tmp_path / name))
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")
    text = b"".join(files_of(tmp_path / "first").values()).decode()
    assert str(trained.parent) not in text and not re.search(r"\b20\d\d-\d\d-\d\d\b", text)


def test_the_state_as_a_file(trained: Path, tmp_path: Path) -> None:
    run("export", str(trained), "--format", "c99", "--weights", "bin", "-o", str(tmp_path / "c"))
    (binary,) = (tmp_path / "c").glob("*_state.bin")
    header = next((tmp_path / "c").glob("*_model.h")).read_text()
    assert f"STORAGE_NBYTES {binary.stat().st_size}\n" in header
    (source,) = (tmp_path / "c").glob("*_model.c")
    assert "piece_0" not in source.read_text()


def test_a_device_begins_with_the_file(tmp_path: Path) -> None:
    model = export_small(tmp_path)
    formatted, given = Device(model).start(), Device(model)
    given.words = np.frombuffer(state_image(model.program), dtype="<u4").copy()
    given.check(given.init())
    np.testing.assert_array_equal(formatted.words, given.words)


@pytest.mark.parametrize("options", [{}, {"weights": "elf"}, {"format": "ort-cpu"}])
def test_wrong_use_is_one_line(
    options: dict[str, str], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"format": "c99", "weights": "c", **options}
    folder = trained if options else tmp_path
    with pytest.raises(SystemExit) as end:
        main(["export", str(folder), *(f"--{key}={value}" for key, value in given.items()), "-o", str(tmp_path / "out")])
    assert end.value.code == (2 if options else 4)
    assert capsys.readouterr().err.count("\n") == 1


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no nonvolatile memory"):
        export_small(tmp_path, nonvolatile="none")
    with pytest.raises(UnsupportedError, match="freeze-diagonal"):
        export_small(tmp_path, schedule="freeze-diagonal", slices="auto")
    with pytest.raises(UnsupportedError, match="layer 'lc1': is locally connected"):
        exported(load_model(local_net(), tmp_path), tmp_path, batch=1)
    with pytest.raises(InputError, match="was planned for onnxruntime"):
        c_source(artifact_of(tmp_path), {})


def test_floats_read_back_as_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32)
    for value in [*values[np.isfinite(values)], np.float32(1e-45), np.float32(-0.0), np.float32(3e-22)]:
        text = render_float(float(value))
        assert text.endswith("f")
        assert struct.pack("<f", float.fromhex(text[:-1])) == struct.pack("<f", float(value))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_two_models_in_a_cpp_program(compiler: str, tmp_path: Path) -> None:
    """Both train in turns, in one program, through the header alone; each ends where it ends alone."""
    models = []
    for number, sizes in enumerate(((20, 12, 3), (16, 10, 10, 4))):
        (tmp_path / str(number)).mkdir()
        program = lower(replace(export_small(tmp_path / str(number), sizes, batch=1).source, name=f"net {number}"))
        write_sources(program, tmp_path)
        models.append(program)
    main_cpp = tmp_path / "two.cpp"
    main_cpp.write_text((Path(__file__).parent / "two_models.cpp").read_text())
    sources = [*library_sources(), *(tmp_path / f"{program.prefix}_model.c" for program in models)]
    include = ["-I", str(LIBRARY), "-I", str(tmp_path)]
    c = required_tool(compiler)
    subprocess.run([c, *FLAGS, *include, "-c", *map(str, sources)], cwd=tmp_path, check=True, timeout=300)
    cpp = required_tool({"gcc": "g++", "clang": "clang++"}[compiler])
    warnings = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    objects = [str(path) for path in sorted(tmp_path.glob("*.o"))]
    subprocess.run([cpp, *warnings, *include, str(main_cpp), *objects, "-lm", "-o", "two"], cwd=tmp_path, check=True, timeout=300)
    done = subprocess.run([tmp_path / "two"], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "equal\n"


def test_golden_text_of_a_small_model(tmp_path: Path) -> None:
    program = export_small(tmp_path, (6, 4, 3), batch=2, slices="1x2").program
    for name, text in render(program).items():
        check_golden(Path(__file__).parent / "golden" / name, text)
