"""Bytes and instructions of exported C on an emulated Cortex-M4: they may fall, but not grow by more than 3 %.

UPDATE_GOLDEN=1 writes the figures anew: look at the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.c99.exported import Run, build_artifact, project_sources, run_driver
from tests.c99.kernel_library import FLAGS, required_tool
from tests.c99.platforms import PLATFORMS
from tests.run.trained_models import blobs

FIGURES = Path(__file__).with_name("c99.json")
PLATFORM = next(platform for platform in PLATFORMS if platform.name == "cortex-m4")
SIZES = (64, 128, 128, 10)
MOST_GROWTH = 1.03


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    folder = tmp_path_factory.mktemp("footprint")
    artifact = build_artifact(folder, SIZES, slices="2x2", batch=1)
    x, y = blobs(20, seed=3)
    run = Run(np.tile(x, (1, 6))[:, :64], y, 5, 10, 5, (0.01, 0.01, 0.01))
    outcome = run_driver(folder, artifact, run, PLATFORM, is_mapped=True)
    found = {"arena bytes": artifact.manifest.peak_bytes, "storage bytes": len(outcome.storage)}
    found |= {"code bytes": code_nbytes(folder), "stack bytes": outcome.stack_nbytes}
    for name, ticks in zip(("fc1", "fc2", "classifier"), outcome.ticks):
        found[f"ticks of a step, {name}"] = ticks
    return found


def code_nbytes(folder: Path) -> int:
    """Code and constants of runtime and kernels, -Os, apart from the model's own file."""
    objects = []
    includes = ["-I", str(folder / "project" / "tinyfoa")]
    machine = [flag for flag in PLATFORM.flags if flag.startswith("-m")]
    for path in project_sources(folder / "project", PLATFORM.variant):
        if not path.name.endswith("_model.c"):
            objects.append(folder / f"{path.stem}.o")
            command = [
                required_tool(PLATFORM.compiler),
                *FLAGS,
                "-Os",
                *machine,
                *includes,
                "-c",
                str(path),
                "-o",
                str(objects[-1]),
            ]
            subprocess.run(command, check=True)
    table = subprocess.run(["arm-none-eabi-size", *map(str, objects)], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()[1:]]
    assert all(row[1] == row[2] == "0" for row in rows), "runtime and kernels keep no data of their own"
    return sum(int(row[0]) for row in rows)


def test_nothing_grows(figures: dict[str, int]) -> None:
    if os.environ.get("UPDATE_GOLDEN") == "1":
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    recorded = json.loads(FIGURES.read_text())
    assert figures.keys() == recorded.keys()
    grown = {name: (value, recorded[name]) for name, value in figures.items() if value > MOST_GROWTH * recorded[name]}
    assert not grown, f"(now, before): {grown}; UPDATE_GOLDEN=1 accepts it"


def test_the_stack_is_small(figures: dict[str, int]) -> None:
    assert 0 < figures["stack bytes"] <= 2048
