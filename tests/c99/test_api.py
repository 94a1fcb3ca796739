"""What an application meets: errors, progress, calibration, prediction between steps, storages that hold something else."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.c99.exported import DAMAGED, OK, STATE, Device, ExportedModel
from tests.c99.trained_pair import SIZES, export_small
from tinyfoa_rt.artifact.settings import rate_at

ARENA, ARGUMENT, DONE = -2, -1, -5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return export_small(tmp_path_factory.mktemp("api"))


def batch(seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (2, SIZES[0])), rng.integers(0, SIZES[-1], 2)


def test_a_new_device_has_no_state(model: ExportedModel) -> None:
    device = Device(model)
    assert device.init() == STATE
    assert device.format() == OK
    assert device.init() == OK
    assert (device.progress().block, device.progress().num_blocks, device.progress().num_slices) == (0, 3, 4)


def test_the_arena_is_the_plan_s_and_not_a_byte_less(model: ExportedModel) -> None:
    device = Device(model).start()
    device.step(*batch(), 0.1)
    assert device.arena[-1] == 0xA5A5A5A5  # the word behind the arena
    object.__setattr__(device.model.program, "arena_nbytes", model.program.arena_nbytes - 4)
    try:
        assert device.init() == ARENA
    finally:
        object.__setattr__(device.model.program, "arena_nbytes", model.program.arena_nbytes + 4)


@pytest.mark.parametrize("steps", [5, 37, 1000])
def test_the_rate_over_the_steps_is_the_trainer_s(steps: int, model: ExportedModel) -> None:
    cosine_rate = model.library.tfoa_cosine_rate
    cosine_rate.restype, cosine_rate.argtypes = ctypes.c_float, (ctypes.c_float, ctypes.c_uint32, ctypes.c_uint32)
    rates = [cosine_rate(0.25, step, steps) for step in range(steps)]
    # float32, and a series that ends at 6e-8.
    np.testing.assert_allclose(rates, [rate_at(0.25, "cosine", step, steps) for step in range(steps)], rtol=0, atol=1e-7)
    assert cosine_rate(0.25, steps, steps) == 0


def test_wrong_arguments_are_refused(model: ExportedModel) -> None:
    device = Device(model).start()
    x, _ = batch()
    for labels in ([0, 4], [-1, 0]):
        with pytest.raises(AssertionError, match=str(ARGUMENT)):
            device.step(x, np.array(labels), 0.1)
    assert device.progress().step == 0


def test_turns_and_blocks(model: ExportedModel) -> None:
    device = Device(model).start(rotate_every=2)
    slices = []
    for step in range(10):
        slices.append(device.progress().slice)
        device.step(*batch(step), 0.1)
    assert slices == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0]
    for _ in range(3):
        device.next_block()
    assert device.progress().block == 3 and device.progress().total_steps == 10
    with pytest.raises(AssertionError, match=str(DONE)):
        device.step(*batch(), 0.1)
    with pytest.raises(AssertionError, match=str(DONE)):
        device.next_block()


def test_predicting_between_steps_changes_nothing(model: ExportedModel) -> None:
    quiet, asked = Device(model).start(), Device(model).start()
    for step in range(25):
        losses = quiet.step(*batch(step), 0.1), asked.step(*batch(step), 0.1)
        assert losses[0] == losses[1]
        asked.predict(batch(step)[0])
    quiet.save()
    asked.save()
    np.testing.assert_array_equal(quiet.words, asked.words)


def test_predictions_see_the_slice_in_ram(model: ExportedModel) -> None:
    device = Device(model).start(rotate_every=100)
    for step in range(30):
        device.step(*batch(step), 0.3)
    x = np.random.default_rng(9).normal(0, 1, (6, SIZES[0]))
    before = device.predict(x)
    device.save()
    np.testing.assert_array_equal(device.predict(x), before)


def test_calibration_is_the_mean_magnitude(model: ExportedModel) -> None:
    """The scale becomes the mean of |z| over the samples; z is checked with the weights that the model came with."""
    device = Device(model).start()
    layout = model.source.layout
    state = model.source.state
    weight, bias = (np.asarray(state[f"fc1#{kind}"], dtype=np.float64) for kind in ("weight", "bias"))
    means = []
    for seed in range(20):
        x, _ = batch(seed)
        device.calibrate(x)
        z = x @ np.where(weight >= 0, 1, -1) * np.abs(weight).mean(axis=0) + bias
        means.append(np.abs(z).mean())
    device.save()
    headers = device.words[: 2 * layout.header_words].reshape(2, -1)
    scale = headers[int(np.argmax(headers[:, 3])), 8:9].view("<f4")[0]
    assert scale == pytest.approx(np.mean(means), rel=1e-4)  # inputs are quantized to 16 bits
    np.testing.assert_array_equal(device.weights("fc1"), state["fc1#weight"])  # nothing has been learnt
    device.step(*batch(), 0.1)
    with pytest.raises(AssertionError, match=str(ARGUMENT)):
        device.calibrate(batch()[0])


@given(data=st.data())
@settings(max_examples=200)
def test_a_damaged_state_is_refused_or_is_a_state(model: ExportedModel, data: st.DataObject) -> None:
    """Any words in the storage: nothing is read or written outside of it (the callbacks check), and no header is trusted."""
    device = Device(model, mapped_nbytes=0).start()
    device.step(*batch(), 0.1)
    device.save()
    header_words = 2 * model.source.layout.header_words
    for _ in range(data.draw(st.integers(1, 4))):
        device.words[data.draw(st.integers(0, header_words - 1))] ^= 1 << data.draw(st.integers(0, 31))
    status = device.init()
    assert status in (OK, STATE, DAMAGED)
    if status == OK:
        device.step(*batch(), 0.1)


def test_another_model_s_state_is_refused(model: ExportedModel, tmp_path: Path) -> None:
    device = Device(model).start()
    other = Device(export_small(tmp_path, slices="1x2"))
    other.words = np.resize(device.words, len(other.words))
    assert other.init() == STATE
