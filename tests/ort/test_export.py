"""`tinyfoa-rt export --format ort`: a project that builds with one command and trains, in ONNX and in ORT format."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.optional_tools import required_tool
from tests.ort.driver import Driver
from tests.run.trained_models import artifact_of, blobs
from tests.small_models import ModelBuilder, load_model
from tinyfoa_rt.cli import main
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.pipeline import build, export, plan
from tinyfoa_rt.run import Artifact, Trainer

X, Y = blobs(600)


@pytest.fixture(scope="module")
def exported(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a training that has reached its second block; the library of kernels is there."""
    folder = tmp_path_factory.mktemp("exported")
    trainer = Trainer(artifact_of(folder))
    for report in trainer.iterate(X[:120], Y[:120], normalization=None, epochs=2):
        if report.total_steps == 45:
            break
    trainer.save(folder / "run")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr("tinyfoa_rt.export.to_ort.KERNELS", library)
        main(["export", str(folder / "run"), "--format", "ort", "-o", str(folder / "project")])
    assert not end.value.code
    return folder / "project"


def test_models_are_in_ort_format(exported: Path) -> None:
    models = sorted((exported / "artifact-ort").rglob("*.ort"))
    folders = [path.parent.relative_to(exported / "artifact-ort").as_posix() for path in models]
    assert folders == [name for name in ("forward", "packed/forward", "packed/steps", "steps") for _ in range(3)]
    assert all(path.read_bytes()[4:8] == b"ORTM" for path in models)
    assert not [path for path in (exported / "artifact-ort").rglob("*.onnx") if path.name != "inference.onnx"]


def test_the_config_names_what_a_minimal_build_needs(exported: Path) -> None:
    lines = (exported / "required_operators.config").read_text().splitlines()
    assert all(line.split(";")[0] in ("ai.onnx", "com.microsoft") for line in lines)
    assert any("MatMulInteger" in line for line in lines)


@pytest.mark.parametrize("form", ["artifact", "artifact-ort"])
@pytest.mark.parametrize("has_kernels", [False, True], ids=["bodies", "kernels"])
def test_both_go_on_as_the_training_would(form: str, has_kernels: bool, exported: Path, driver: Driver, library: Path) -> None:
    """In Python and in C++, from the checkpoint: the same losses, and those of the training itself."""
    kernels = library if has_kernels else None
    original = Trainer.load(exported.parent / "run", kernels=None)
    expected = [original.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 120, 6)]
    python = Trainer.load(exported / form, kernels=kernels)
    losses = [python.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 120, 6)]
    # Graphs are optimized at another time, and may add in another order, as kernels do.
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    words = ["--kernels", str(library) if has_kernels else "none", "--resume", "steps:0:20", "next", "steps:0:20", "evaluate"]
    there = driver.steps(exported / form, X, Y, *words)
    python.next_block()
    expected += [python.partial_fit(X[i : i + 6], Y[i : i + 6]) for i in range(0, 120, 6)]
    np.testing.assert_allclose(there, [*expected, python.evaluate(X, Y).loss], rtol=1e-4)


def test_ort_format_without_the_library_has_no_packed_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyfoa_rt.export.to_ort.KERNELS", tmp_path / "none.so")
    artifact_of(tmp_path).save(tmp_path / "artifact")
    export(tmp_path / "artifact", tmp_path / "project", format="ort")
    assert Artifact.load(tmp_path / "project" / "artifact").has_packed_form
    assert not Artifact.load(tmp_path / "project" / "artifact-ort").has_packed_form


def test_the_project_builds_alone(exported: Path, ort_root: Path, driver: Driver, tmp_path: Path) -> None:
    cmake = required_tool("cmake")
    for command in (["-S", str(exported), "-B", "build", f"-DORT_ROOT={ort_root}"], ["--build", "build"]):
        done = subprocess.run([cmake, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "x.f32").write_bytes(X.tobytes())
    (tmp_path / "y.i64").write_bytes(Y.tobytes())
    arguments = [str(exported / "artifact-ort"), str(tmp_path / "x.f32"), str(tmp_path / "y.i64"), str(tmp_path / "out"), "15"]
    done = driver.execute([str(tmp_path / "build" / "learn"), *arguments])
    assert done.returncode == 0, done.stderr
    evaluation = Trainer.load(tmp_path / "out").evaluate(X, Y)
    assert evaluation.accuracy is not None and evaluation.accuracy > 0.85  # a quarter is chance
    # The library is built too, and the samples find it: no step of theirs ran on bodies.
    assert (tmp_path / "build" / "ops" / "libtinyfoa_ops.so").exists()
    assert "on kernels" in done.stdout


def convolutions(folder: Path, **options: Any) -> Artifact:
    """Two convolutions of 16 channels and a classifier."""
    builder = ModelBuilder((3, 16, 16))
    x = builder.node("Relu", (builder.conv("input", (3, 16), name="conv1"),))
    x = builder.node("GlobalAveragePool", (builder.node("Relu", (builder.conv(x, (16, 16), name="conv2"),)),))
    graph = load_model(builder.model(builder.dense(builder.node("Flatten", (x,)), 16, 4, "fc")), folder)
    return build(graph, plan(graph, "100MB", batch=16, **options))


@pytest.mark.parametrize(("slices", "gain"), [("1x1", 1.1), ("1x2", 1.0)])
@pytest.mark.parametrize("form", ["artifact", "artifact-ort"])
def test_convolutions_need_what_was_planned(form: str, slices: str, gain: float, driver: Driver, tmp_path: Path) -> None:
    """onnxruntime lets tensors take over each other's memory where it knows sizes; an exported step does not say them."""
    made = convolutions(tmp_path, slices=slices)
    made.save(tmp_path / "made")
    export(tmp_path / "made", tmp_path / "project", format="ort")
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (64, 3, 16, 16)).astype(np.float32), rng.integers(0, 4, 64)
    words = ("--threads", "1", "--budget", "100000000", "steps:0:4", "next", "steps:0:4", "next", "steps:0:4")
    plain, opened = (driver.run(folder, x, y, *words) for folder in (tmp_path / "made", tmp_path / "project" / form))
    np.testing.assert_allclose([line["loss"] for line in opened], [line["loss"] for line in plain], rtol=1e-5)
    most = max(line["bytes"] for line in opened)
    # Some updates in place need sizes too, and are lost.
    assert most <= 1.1 * made.manifest.peak_bytes
    assert max(line["bytes"] for line in plain) >= gain * most


def test_an_untrained_artifact_has_no_checkpoint(tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    line = export(tmp_path / "artifact", tmp_path / "project", format="ort")
    assert line.startswith("artifact, artifact-ort, 3 blocks, ")
    for form in ("artifact", "artifact-ort"):
        assert not (tmp_path / "project" / form / "checkpoint").exists()
        assert len(Artifact.load(tmp_path / "project" / form).blocks) == 3


def test_the_readme_knows_the_model(exported: Path) -> None:
    text = (exported / "README.md").read_text()
    assert text.startswith("# small\n") and "@" not in text


def test_what_is_refused(tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="is not an empty folder; name a new folder"):
        export(tmp_path / "artifact", tmp_path / "full", format="ort")
    with pytest.raises(UsageError, match="is for --format c99"):
        export(tmp_path / "artifact", tmp_path / "new", format="ort", state_as_file=True)
    with pytest.raises(UsageError, match="use c99, ort"):
        export(tmp_path / "artifact", tmp_path / "new", format="tflite")
    with pytest.raises(InputError, match="export with --format ort"):
        export(tmp_path / "artifact", tmp_path / "new", format="c99")
    model = next((tmp_path / "artifact" / "steps").iterdir())
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(InputError, match="holds"):
        export(tmp_path / "artifact", tmp_path / "new", format="ort")
    assert not (tmp_path / "new").exists()
