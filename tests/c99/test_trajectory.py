"""The same training on every processor, with every variant of the kernels: storage and scores are equal in every bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.c99.exported import LIBRARY, library_sources, write_sources
from tests.c99.platforms import PLATFORMS, Platform, build_for, compile_objects, run_binary
from tests.c99.trained_pair import SIZES, exported
from tests.emit.conv_models import conv_model
from tests.small_models import load_model, mlp

PROGRAM = Path(__file__).with_name("trajectory.c")
HERE = Platform("here", "plain", "gcc")
# All operators of the paper's own recipe; no bits at all, with a square root; and both once more with convolutions;
# heads that learn, and as blocks of several layers.
OPTIONS: dict[str, dict[str, Any]] = {
    "binary": {"batch": 2, "slices": "2x2", "optimizer": "momentum", "block_output": "scaled", "weight_scale": "tensor"},
    "real": {"batch": 1, "slices": "3x2", "optimizer": "adam", "binarize": "none", "head": "kaiming"},
    "binary-conv": {"batch": 2, "slices": "2x2"},
    "real-conv": {"batch": 1, "slices": "2x3", "optimizer": "adam", "binarize": "none", "head_pool": "average"},
    "learned": {"batch": 1, "slices": "2x2", "head": "learned"},
    "learned-conv": {"batch": 2, "slices": "2x2", "optimizer": "normalized", "head": "learned", "head_pool": "average"},
    "deep": {"batch": 2, "slices": "2x2", "block_layers": "2", "block_output": "scaled", "weight_scale": "tensor"},
    "deep-real-conv": {"batch": 2, "slices": "2x2", "block_layers": "2", "binarize": "none"},
}
# One a processor; test_digests.py runs the kernels alone on more.
PROCESSORS = [
    "x86-64",
    "x86-64-sanitized",
    "avx2",
    "neon",
    "big-endian",
    "riscv32",
    "cortex-m0",
    "cortex-m4",
    "cortex-m7",
    "cortex-m33",
    "mve",
]


Objects = Callable[[Platform], list[Path]]


class Trajectory:
    """A generated model, and the program that trains it."""

    def __init__(self, folder: Path, name: str, objects: Objects) -> None:
        self.folder = folder
        self.objects = objects
        graph = load_model(conv_model() if name.endswith("conv") else mlp(SIZES), folder)
        self.generated = write_sources(exported(graph, folder, **OPTIONS[name])[2].program, folder)

    def on(self, platform: Platform, *, is_mapped: bool = True) -> list[str]:
        sizes = ("ARENA_NBYTES", "STORAGE_NBYTES", "BATCH", "INPUTS", "OUTPUTS")
        defined = [f"-D{name}=SMALL_{name}" for name in sizes]
        defined += ['-DMODEL_HEADER="small_model.h"', "-DMODEL=small_model", f"-DIS_MAPPED={int(is_mapped)}"]
        sources = [PROGRAM, self.generated, *self.objects(platform)]
        defining = replace(platform, flags=(*platform.flags, *defined))
        return run_binary(platform, build_for(defining, self.folder, sources, [LIBRARY, self.folder])).splitlines()


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """The library for a platform, compiled once for all models."""
    folder = tmp_path_factory.mktemp("objects")
    return cache(lambda platform: compile_objects(platform, library_sources(platform.variant), folder / platform.name))


@pytest.fixture(scope="module", params=OPTIONS)
def trajectory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, objects: Objects) -> Trajectory:
    return Trajectory(tmp_path_factory.mktemp(request.param), request.param, objects)


@pytest.fixture(scope="module")
def expected(trajectory: Trajectory) -> list[str]:
    """On this machine, which test_training.py and test_conv_training.py compare with onnxruntime."""
    lines = trajectory.on(HERE)
    names = [line.split()[0] for line in lines]
    assert names == ["format", *["block"] * (len(lines) - 2), "scores"] and len(lines) >= 4
    assert len(set(lines)) == len(lines)
    return lines


@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each.name in PROCESSORS], ids=lambda platform: platform.name)
def test_every_platform(platform: Platform, trajectory: Trajectory, expected: list[str]) -> None:
    if platform.requires and platform.requires not in Path("/proc/cpuinfo").read_text():
        pytest.skip(f"this processor has no {platform.requires}")
    assert trajectory.on(platform) == expected


def test_a_storage_that_is_read_through_the_callback(trajectory: Trajectory, expected: list[str]) -> None:
    (sanitized,) = (each for each in PLATFORMS if each.name == "x86-64-sanitized")
    assert trajectory.on(sanitized, is_mapped=False) == expected


def test_contracted_products_would_be_noticed(trajectory: Trajectory, expected: list[str]) -> None:
    """-ffp-contract=off is needed: with fused multiply-adds the bits differ."""
    fused = Platform("fused", "plain", "gcc", ("-mfma", "-ffp-contract=fast"), requires="fma")
    if "fma" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no fused multiply-add")
    assert trajectory.on(fused) != expected
