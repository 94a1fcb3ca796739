"""The library in one file: it compiles as the separate files do, and trains to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.c99.exported import Device, ExportedModel, write_sources
from tests.c99.kernel_library import build_library
from tests.c99.trained_pair import SIZES, export_small
from tools.amalgamate import amalgamate


@pytest.mark.parametrize(
    ("kernels", "compiler"),
    [
        ("plain", "gcc"),
        ("avx2", "clang"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("plain", "clang"), ("swar", "gcc"), ("swar", "clang"), ("avx2", "gcc"))
        ),
    ],
)
def test_the_amalgam_trains_to_the_same_bits(compiler: str, kernels: str, tmp_path: Path) -> None:
    flags = ("-mavx2", "-lm") if kernels == "avx2" else ("-lm",)
    if kernels == "avx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no avx2")
    (tmp_path / "parts").mkdir()
    parts = export_small(tmp_path / "parts")
    for name, text in amalgamate(kernels).items():
        (tmp_path / name).write_text(text)
    sources = [write_sources(parts.program, tmp_path), tmp_path / "tinyfoa.c"]
    whole = ExportedModel(parts.source, parts.program, build_library(tmp_path, compiler, sources, flags=flags))
    states = []
    for model in (parts, whole):
        device = Device(model).start(3)
        rng = np.random.default_rng(0)
        for _ in range(20):
            device.step(rng.normal(0, 1, (2, SIZES[0])), rng.integers(0, SIZES[-1], 2), 0.1)
        device.save()
        states.append(device.words.tobytes())
    assert states[0] == states[1]


def test_the_public_header_stands_alone() -> None:
    files = amalgamate()
    assert '#include "' not in files["tinyfoa.h"]
    assert set(files) == {"tinyfoa.h", "tinyfoa_model.h", "tinyfoa.c"}
