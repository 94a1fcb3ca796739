"""NaN and infinity are refused before they reach the state, and a training that diverges stops before its weights are stored."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.exported import LIBRARY, NOT_FINITE, Device, ExportedModel, library_sources
from tests.c99.kernel_library import FLAGS
from tests.c99.trained_pair import SIZES, export_small, exported
from tests.optional_tools import required_tool
from tests.small_models import load_model, mlp

WRONG = pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return export_small(tmp_path_factory.mktemp("finite"))


@pytest.fixture(scope="module", params=["rademacher", "learned"])
def to_vectors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    """Trained to reproduce real numbers, with weights that nothing bounds."""
    folder = tmp_path_factory.mktemp("vectors")
    options: dict[str, Any] = {"batch": 2, "slices": "2x2", "binarize": "none", "loss": "mean-squared-error"}
    return exported(load_model(mlp(SIZES), folder), folder, head=request.param, **options)[2]


def samples(seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(0, 1, (2, SIZES[0]))


LABELS = np.array([0, 3])


def refused(call: Any, *arguments: Any) -> None:
    with pytest.raises(AssertionError, match=str(NOT_FINITE)):
        call(*arguments)


@WRONG
@pytest.mark.parametrize("place", [(0, 0), (1, SIZES[0] - 1)])
def test_wrong_samples_change_nothing(wrong: float, place: tuple[int, int], model: ExportedModel) -> None:
    x = samples()
    x[place] = wrong
    quiet, asked = Device(model).start(), Device(model).start()
    refused(asked.calibrate, x)
    for device in (quiet, asked):
        device.step(samples(), LABELS, 0.1)
    refused(asked.step, x, LABELS, 0.1)
    refused(asked.predict, x)
    for device in (quiet, asked):
        device.step(samples(1), LABELS, 0.1)
        device.save()
    np.testing.assert_array_equal(asked.words, quiet.words)


@WRONG
def test_wrong_rates_and_targets(wrong: float, model: ExportedModel, to_vectors: ExportedModel) -> None:
    device = Device(model).start()
    refused(device.step, samples(), LABELS, wrong)
    assert device.progress().step == 0
    device = Device(to_vectors).start()
    targets = np.zeros((2, SIZES[-1]))
    targets[1, 3] = wrong
    refused(device.step, samples(), targets, 0.1)
    assert device.progress().step == 0


def test_samples_of_any_finite_size_are_taken(model: ExportedModel) -> None:
    largest = np.full((2, SIZES[0]), np.finfo(np.float32).max)
    largest[:, ::2] *= -1
    largest[0, :3] = 1e-45, -0.0, 0.0
    Device(model).start().predict(largest)


@pytest.mark.parametrize("rotate_every", [1, 100])
def test_a_training_that_diverges_stops_before_its_weights_are_stored(rotate_every: int, to_vectors: ExportedModel) -> None:
    """Whether the loss is what is seen first, or the weights of a turn that ends."""
    device = Device(to_vectors).start(rotate_every)
    targets = np.ones((2, SIZES[-1]))
    device.step(samples(), targets, 1e-3)
    device.save()
    good = device.words.copy()

    def diverge() -> None:
        for step in range(100):
            device.step(samples(step), targets, 1e20)
            if rotate_every > 1:
                np.testing.assert_array_equal(device.words, good)

    refused(diverge)
    assert device.progress().total_steps < 50
    device.check(device.init())
    device.rotate(rotate_every)
    for name in to_vectors.source.layout.layers:
        assert np.isfinite(device.weights(name)).all()
    if rotate_every > 1:
        np.testing.assert_array_equal(device.words, good)
        loss, _ = device.step(samples(1), targets, 1e-3)  # with a smaller rate it goes on
        assert np.isfinite(loss)


@pytest.mark.parametrize("flag", ["-ffast-math", "-ffinite-math-only"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_fast_math_is_refused_by_every_file_that_computes(flag: str, compiler: str) -> None:
    command = [required_tool(compiler), *FLAGS, flag, "-fsyntax-only", "-I", str(LIBRARY)]
    files = [path for path in library_sources() if re.search(r"\bfloat\b", path.read_text())]
    assert len(files) > 40
    for path in files:
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        assert "compile tinyfoa without -ffast-math" in done.stderr, path.name
