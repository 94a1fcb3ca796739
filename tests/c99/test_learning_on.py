"""A model whose training has ended learns on, and a write that fails does not make it skip a block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.exported import Device, ExportedModel
from tests.c99.trained_pair import SIZES, export_small

NUM_BLOCKS = len(SIZES) - 1


@pytest.fixture(scope="module", params=["sgd", "adam", "normalized", "learned"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    options = {"head": "learned"} if request.param == "learned" else {"optimizer": request.param}
    return export_small(tmp_path_factory.mktemp(request.param), **options)


def batch(seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Samples of two classes that their first half tells apart, the other way round with odd seeds."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 2)
    x = rng.normal(0, 1, (2, SIZES[0]))
    x[:, : SIZES[0] // 2] += np.where((y + seed) % 2 == 0, 1, -1)[:, None]
    return x, y


def train(device: Device, steps: int, odd: int) -> list[float]:
    return [device.step(*batch(2 * step + odd), 0.1)[0] for step in range(steps)]


def test_any_block_learns_on_from_the_weights_that_it_has(model: ExportedModel) -> None:
    device = Device(model).start()
    for _ in range(NUM_BLOCKS):
        train(device, 8, odd=0)
        device.next_block()
    assert device.progress().block == NUM_BLOCKS
    for block in (1, 0, NUM_BLOCKS - 1):
        names = [layer.stored.name for layer in model.source.blocks[block].layers]
        others = [name for name in model.source.layout.layers if name not in names]
        before = {name: device.weights(name) for name in (*names, *others)}
        device.train_block(block)
        assert (device.progress().block, device.progress().step) == (block, 0)
        np.testing.assert_array_equal(device.weights(names[0]), before[names[0]])
        train(device, 12, odd=1)
        device.save()
        assert all(np.any(device.weights(name) != before[name]) for name in names)
        for name in others:
            np.testing.assert_array_equal(device.weights(name), before[name])
    assert device.progress().total_steps == 8 * NUM_BLOCKS + 12 * 3
    device.check(device.init())
    assert (device.progress().block, device.progress().step) == (NUM_BLOCKS - 1, 12)


def test_the_last_block_learns_the_opposite(tmp_path: Path) -> None:
    device = Device(export_small(tmp_path)).start()
    for _ in range(NUM_BLOCKS):
        train(device, 200, odd=0)
        device.next_block()
    device.train_block(NUM_BLOCKS - 1)
    losses = train(device, 400, odd=1)
    assert np.mean(losses[-40:]) < 0.5 * np.mean(losses[:40])


def test_training_ends_where_the_caller_says(model: ExportedModel) -> None:
    device = Device(model).start()
    device.train_block(NUM_BLOCKS)
    with pytest.raises(AssertionError, match="-5"):
        device.step(*batch(0), 0.1)
    device.train_block(0)
    device.step(*batch(0), 0.1)
    with pytest.raises(AssertionError, match="-1"):
        device.train_block(NUM_BLOCKS + 1)
    assert (device.progress().block, device.progress().step) == (0, 1)


def test_a_write_that_fails_can_be_tried_again(model: ExportedModel) -> None:
    """At every write of the end of a block: the block does not change, and a second try ends as one without failure."""
    whole = Device(model).start()
    train(whole, 3, odd=0)
    whole.next_block()
    train(whole, 3, odd=0)
    whole.save()
    failed = 0
    for write in range(1, 200):
        device = Device(model).start()
        train(device, 3, odd=0)
        device.failing_write = write
        try:
            device.next_block()
            break
        except AssertionError as error:
            assert "-3" in str(error)
        failed += 1
        assert (device.progress().block, device.progress().step) == (0, 3)
        device.next_block()
        assert (device.progress().block, device.progress().step) == (1, 0)
        train(device, 3, odd=0)
        device.save()
        for name in model.source.layout.layers:
            np.testing.assert_array_equal(device.weights(name), whole.weights(name))
        device.check(device.init())
        assert device.progress().total_steps == 6
    assert failed > 8  # the record, two headers, bits, sums and biases
