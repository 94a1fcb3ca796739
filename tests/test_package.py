"""The package: its public door, what importing costs, and that a wheel carries its data."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import tinyfoa_rt
from tinyfoa_rt.run.kernels import KERNELS

ROOT = Path(__file__).resolve().parents[1]
SLOW = ("onnx", "onnxruntime", "numpy", "networkx", "rich.table")


def run_python(code: str, folder: Path, *paths: Path) -> str:
    """Run code in a process that starts in ``folder`` and finds modules in ``paths`` first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))} if paths else None
    arguments = [sys.executable, "-c", code]
    return subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment, cwd=folder).stdout


def test_the_public_names() -> None:
    assert tinyfoa_rt.__all__ == [
        *("Artifact", "Graph", "Plan", "TinyfoaError", "Trainer", "__version__", "build", "compare", "load", "plan"),
    ]
    assert all(getattr(tinyfoa_rt, name) is not None for name in tinyfoa_rt.__all__)
    assert callable(tinyfoa_rt.plan)


def test_importing_the_package_and_help_import_nothing_slow() -> None:
    code = f"""
import sys, tinyfoa_rt
from tinyfoa_rt.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print([name for name in {SLOW!r} if name in sys.modules])
"""
    assert run_python(code, ROOT).splitlines()[-1] == "[]"


def test_a_wheel_carries_graphs_targets_and_the_kernels_that_are_built(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl") != KERNELS.is_file()
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert (site / "tinyfoa_rt" / "lib" / KERNELS.name).is_file() == KERNELS.is_file()
    code = """
import tinyfoa_rt
from tinyfoa_rt.profiles import profile_names
from tinyfoa_rt.zoo import zoo_names
print(tinyfoa_rt.__file__)
print(len(profile_names()), len(zoo_names()))
"""
    place, counts = run_python(code, tmp_path, site).splitlines()
    assert Path(place).is_relative_to(site)
    from tinyfoa_rt.profiles import profile_names
    from tinyfoa_rt.zoo import zoo_names

    assert counts == f"{len(profile_names())} {len(zoo_names())}"
