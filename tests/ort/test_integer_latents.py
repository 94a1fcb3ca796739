"""Latent weights of few bits in C++: 200 steps give the whole numbers that Python's give, to the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ort.driver import Driver
from tests.ort.trajectories import LOSS_TOLERANCE, commands, in_python
from tests.ort_ops.wide_artifacts import samples, wide_artifact
from tests.small_models import conv_net, load_model
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer

X, Y = samples(600)
STEPS = 201


def assert_same_integers(python: Trainer, saved: Path) -> None:
    """Gradients are sums of the same library on the same number of threads, so that nothing rounds apart."""
    here, there = python.state.arrays(), Trainer.load(saved, kernels=None).state.arrays()
    weights = [name for name in here if f"{name}#quantum" in here]  # and heads that learn
    for name in weights:
        assert there[name].dtype == here[name].dtype and here[name].dtype.kind == "i"
        assert (here[name] != python.artifact.initial[name]).any()
        np.testing.assert_array_equal(there[name], here[name], err_msg=name)
        assert there[f"{name}#quantum"] == here[f"{name}#quantum"]


@pytest.mark.parametrize("has_kernels", [False, True], ids=["bodies", "kernels"])
@pytest.mark.parametrize(
    "options",
    [
        {"latent": "int8"},
        pytest.param({"latent": "int12", "binarize": "none", "optimizer": "normalized"}, marks=pytest.mark.slow),
        pytest.param({"latent": "int16", "binarize": "weights", "optimizer": "adam", "slices": "1x1"}, marks=pytest.mark.slow),
        pytest.param({"latent": "int8", "binarize": "none", "block_layers": "all", "slices": "1x1"}, marks=pytest.mark.slow),
        pytest.param({"latent": "int16", "optimizer": "momentum", "slices": "3x2"}, marks=pytest.mark.slow),
        pytest.param({"latent": "int8", "head": "learned"}, marks=pytest.mark.slow),
        pytest.param(
            {"latent": "int8", "head": "learned", "binarize": "none", "optimizer": "normalized"}, marks=pytest.mark.slow
        ),
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_200_steps_give_the_same_integers(
    options: dict[str, Any], has_kernels: bool, driver: Driver, library: Path, tmp_path: Path
) -> None:
    artifact = wide_artifact(tmp_path, **options)
    artifact.save(tmp_path / "artifact")
    python, expected = in_python(artifact, X, Y, STEPS, kernels=library if has_kernels else None)
    words = ["--threads", "1", "--kernels", str(library) if has_kernels else "none"]
    words += [*commands(len(artifact.blocks), STEPS), f"save:{tmp_path / 'saved'}"]
    losses = driver.steps(tmp_path / "artifact", X, Y, *words)
    np.testing.assert_allclose(losses, expected, rtol=LOSS_TOLERANCE)
    assert_same_integers(python, tmp_path / "saved")


def test_a_checkpoint_goes_on_in_the_other_language(driver: Driver, tmp_path: Path) -> None:
    """Python takes some steps, C++ some more, on slices that lie in a mapped file; the trained model has real weights."""
    artifact = wide_artifact(tmp_path, latent="int8", binarize="none", slices="2x3")
    artifact.save(tmp_path / "artifact")
    alone, _ = in_python(artifact, X, Y, 60)
    begun = Trainer(artifact, kernels=None, threads=1)
    for step in range(8):
        begun.partial_fit(X[10 * step : 10 * step + 10], Y[10 * step : 10 * step + 10])
    begun.save(tmp_path / "run")
    words = ("--threads", "1", "--kernels", "none", "--storage", str(tmp_path), "--resume")
    driver.run(
        tmp_path / "run", X, Y, *words, "steps:8:20", "next", "steps:0:20", "next", "steps:0:20", f"save:{tmp_path / 'saved'}"
    )
    assert_same_integers(alone, tmp_path / "saved")
    found = Trainer.load(tmp_path / "saved", kernels=None).scores(X[:50])
    np.testing.assert_allclose(found, alone.scores(X[:50]), rtol=1e-5, atol=1e-5)  # float32
    (scores,) = driver.run(tmp_path / "saved", X[:50], Y[:50], *words[:4], "--resume", "scores")
    np.testing.assert_allclose(np.array(scores).reshape(found.shape), found, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_convolutions(driver: Driver, tmp_path: Path) -> None:
    graph = load_model(conv_net(), tmp_path)
    artifact = build(graph, plan(graph, "8MB", batch=4, latent="int12", binarize="none", slices="2x2"))
    artifact.save(tmp_path / "artifact")
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (80, *artifact.manifest.input_shape)).astype(np.float32)
    y = rng.integers(0, artifact.manifest.num_outputs, 80)
    python, _ = in_python(artifact, x, y, 60)
    words = ["--threads", "1", *commands(len(artifact.blocks), 60), f"save:{tmp_path / 'saved'}"]
    driver.steps(tmp_path / "artifact", x, y, *words)
    assert_same_integers(python, tmp_path / "saved")
