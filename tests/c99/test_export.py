"""Exported C99 against the trainer on onnxruntime: the same steps, the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.exported import Outcome, Run, build_artifact, run_driver, run_trainer
from tests.c99.platforms import PLATFORMS, Platform
from tests.run.trained_models import blobs
from tests.small_models import conv_net
from tinyfoa_rt.run.artifact import Artifact

SIZES = (12, 40, 33, 4)
RATES = {"sgd": (0.3, 0.3, 0.1), "momentum": (0.05, 0.05, 0.02), "adam": (0.01, 0.01, 0.01)}
# float32 on both sides, sums in another order: 1e-7 a product, over some dozen steps. A wrong factor of 1 % gives 1e-3 and more.
RELATIVE = 2e-4


def run_of(optimizer: str = "sgd") -> Run:
    x, y = blobs(60, seed=3)
    return Run(x, y, calibration=25, steps=24, turn=5, rates=RATES[optimizer])


def check_equal(ours: Outcome, expected: Outcome) -> None:
    np.testing.assert_allclose(ours.losses, expected.losses, rtol=RELATIVE, atol=RELATIVE)
    for name, array in ours.state.items():
        np.testing.assert_allclose(array, expected.state[name], rtol=RELATIVE, atol=RELATIVE, err_msg=name)
    np.testing.assert_allclose(ours.scores, expected.scores, rtol=10 * RELATIVE, atol=10 * RELATIVE)


CASES: list[dict[str, Any]] = [
    {"slices": "1x1", "batch": 1},
    {"slices": "2x2", "batch": 1},
    {"slices": "2x2", "batch": 5},
    {"slices": "3x2", "batch": 4, "optimizer": "momentum"},
    # Adam makes differences of rounding as large as its rate: bits would flip, and heads of equal signs give rounding alone.
    {"slices": "1x4", "batch": 4, "optimizer": "adam", "binarize": "none", "head": "kaiming"},
    {"slices": "2x2", "batch": 4, "alpha": "tensor", "window": "relu"},
    {"slices": "2x2", "batch": 4, "handover": "scaled", "classifier": "binary", "scale": "batch"},
    {"slices": "2x2", "batch": 4, "head": "kaiming"},
    {"slices": "2x2", "batch": 4, "binarize": "none"},
    {"slices": "2x1", "batch": 4, "binarize": "weights"},
]


@pytest.mark.parametrize("options", CASES, ids=lambda options: "-".join(map(str, options.values())))
def test_steps_in_c_are_those_of_the_trainer(tmp_path: Path, options: dict[str, Any]) -> None:
    artifact = build_artifact(tmp_path, SIZES, **options)
    run = run_of(options.get("optimizer", "sgd"))
    check_equal(run_driver(tmp_path, artifact, run), run_trainer(artifact, run))


# With gcc's and clang's own contraction, libm or order of sums, some would differ in the last bit.
ELSEWHERE = [platform for platform in PLATFORMS if platform.name not in ("x86-64", "avx512")]


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Artifact, Outcome]:
    folder = tmp_path_factory.mktemp("exported")
    artifact = build_artifact(folder, SIZES, slices="3x2", batch=3)
    return folder, artifact, run_driver(folder, artifact, run_of())


@pytest.mark.parametrize("platform", ELSEWHERE, ids=lambda platform: platform.name)
def test_every_platform_gives_the_same_bits(small_model: tuple[Path, Artifact, Outcome], platform: Platform) -> None:
    folder, artifact, here = small_model
    there = run_driver(folder, artifact, run_of(), platform, is_mapped=True)
    np.testing.assert_array_equal(there.losses, here.losses)
    np.testing.assert_array_equal(there.scores, here.scores)
    assert there.storage == here.storage


def test_export_is_deterministic_and_carries_no_place(tmp_path: Path) -> None:
    texts = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        build_artifact(tmp_path / name, SIZES, slices="2x2", batch=1)
        project = tmp_path / name / "project"
        texts.append({path.relative_to(project): path.read_text() for path in project.rglob("*") if path.is_file()})
    assert texts[0] == texts[1]
    assert not any(str(tmp_path) in text for text in texts[0].values())


def test_the_arena_is_the_plan_s_peak(tmp_path: Path) -> None:
    artifact = build_artifact(tmp_path, SIZES, slices="2x2", batch=1)
    header = (tmp_path / "project" / "net_model.h").read_text()
    assert f"#define NET_ARENA_NBYTES {artifact.manifest.peak_bytes}\n" in header


def test_a_convolutional_prefix_is_frozen(tmp_path: Path) -> None:
    """Convolutions, pools and the like run forward in C; the last block is trained behind them."""
    artifact = build_artifact(tmp_path, conv_net(), train="last:1", slices="2x1", batch=2)
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (20, int(np.prod(artifact.manifest.input_shape)))), rng.integers(0, 3, 20)
    run = Run(x, y, 25, 24, 5, (0.02,))
    check_equal(run_driver(tmp_path, artifact, run), run_trainer(artifact, run))
