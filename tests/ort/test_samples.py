"""The CMake project and its two sample applications: they build with one command and learn."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.optional_tools import required_tool
from tests.ort.driver import ROOT, installed_library
from tests.run.trained_models import artifact_of, blobs
from tinyfoa_rt.run import Trainer

X, Y = blobs(240)


@pytest.fixture(scope="module")
def built(ort_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    required_tool("g++")
    cmake, folder = required_tool("cmake"), tmp_path_factory.mktemp("samples")
    flags = ("-DCMAKE_CXX_FLAGS=-Werror -O1", "-DCMAKE_C_FLAGS=-Werror")
    configure = [cmake, "-S", str(ROOT / "targets" / "ort"), "-B", str(folder), f"-DORT_ROOT={ort_root}", *flags]
    for command in (configure, [cmake, "--build", str(folder)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    (tmp_path / "libonnxruntime.so.1").symlink_to(installed_library())
    return {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}


def test_the_c_sample_learns_from_a_fixed_set(built: Path, environment: Mapping[str, str], tmp_path: Path) -> None:
    artifact_of(tmp_path).save(tmp_path / "artifact")
    (tmp_path / "x.f32").write_bytes(X.tobytes())
    (tmp_path / "y.i64").write_bytes(Y.tobytes())
    arguments = [str(tmp_path / name) for name in ("artifact", "x.f32", "y.i64", "out")]
    done = subprocess.run([built / "learn", *arguments, "30"], capture_output=True, text=True, env=environment, check=True)
    accuracy = re.search(r"accuracy (0\.\d+|1\.000)", done.stdout)
    assert accuracy is not None and float(accuracy[1]) > 0.85  # a quarter is chance
    trainer = Trainer.load(tmp_path / "out")
    assert trainer.is_done
    assert trainer.evaluate(X, Y).accuracy == pytest.approx(float(accuracy[1]), abs=0.0005)  # three digits are printed


def test_the_c_sample_says_what_is_wrong(built: Path, environment: Mapping[str, str], tmp_path: Path) -> None:
    arguments = [str(tmp_path / name) for name in ("nothing", "x.f32", "y.i64", "out")]
    done = subprocess.run([built / "learn", *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 4
    assert re.fullmatch(r".*manifest\.json: cannot be read \(.*\); name a folder .*\n", done.stderr)


def test_the_personalisation_goes_on_where_it_stopped(built: Path, environment: Mapping[str, str], tmp_path: Path) -> None:
    """A trained model meets a user whose samples are shifted: it gets better at them."""
    trainer = Trainer(artifact_of(tmp_path)).fit(X, Y, normalization=None, epochs=15)
    trainer.save(tmp_path / "run")
    x = X[:, ::-1] + 0.5
    rows = np.column_stack((x, Y))
    before = trainer.evaluate(x, Y)
    np.savetxt(tmp_path / "user.csv", np.tile(rows, (15, 1)), delimiter=",", fmt="%.7g")
    command = [str(built / "personalize"), str(tmp_path / "run"), str(tmp_path / "user.csv"), "100000"]
    for run in (1, 2):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"step \d+: loss \d+\.\d+, accuracy \d\.\d+\n\d+ of 100000 bytes\n$", done.stdout)
        learnt = Trainer.load(tmp_path / "run")
        assert learnt.progress.block == 2 and learnt.progress.step == 600 * run
    after = learnt.evaluate(x, Y)
    assert before.accuracy is not None and after.accuracy is not None
    assert after.accuracy > before.accuracy + 0.1
    done = subprocess.run([*command[:3], "500"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 3 and "budget exceeded" in done.stderr
    assert Trainer.load(tmp_path / "run").progress.step == 1200


@pytest.mark.parametrize("how", ["package", "nothing"])
def test_where_onnxruntime_is_looked_for(how: str, ort_root: Path, tmp_path: Path) -> None:
    """pkg-config is asked where there is no CMake package; where nothing is found, the message says what to give."""
    package = tmp_path / "pkgconfig"
    package.mkdir()
    if how == "package":
        required_tool("pkg-config")
        flags = f"Cflags: -I{ort_root}/include\nLibs: -L{ort_root}/lib -lonnxruntime\n"
        text = f"Name: onnxruntime\nDescription: stub\nVersion: 1.21\n{flags}"
        (package / "libonnxruntime.pc").write_text(text)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(package), "PKG_CONFIG_LIBDIR": str(package), "ORT_ROOT": ""}
    command = [required_tool("cmake"), "-S", str(ROOT / "targets" / "ort"), "-B", str(tmp_path / "build")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode == 0) == (how == "package"), done.stderr
    assert how == "package" or "give -DORT_ROOT=FOLDER" in " ".join(done.stderr.split())
