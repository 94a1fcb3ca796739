"""The power goes at every write of a short run: what is left is the state after some turn, and training goes on from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.exported import OK, STATE, Device, ExportedModel, PowerCut
from tests.c99.trained_pair import export_small, exported
from tests.small_models import ModelBuilder
from tinyfoa_rt.ir.graph import Graph

SIZES = (40, 12, 4)  # two blocks; 40 inputs in bands of 20 and 20, which end within words
IMAGE = (2, 4, 5)  # as many inputs
STEPS_A_BLOCK, TURN, BATCH = 7, 2, 2


@pytest.fixture(scope="module", params=["sgd", "adam", "conv", "learned", "deep", "one", "one, learned"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    folder = tmp_path_factory.mktemp("power")
    if request.param == "conv":
        return exported(normalized_net(folder), folder, batch=BATCH, slices="2x1")[2]
    if request.param == "learned":
        return export_small(folder, SIZES, optimizer="momentum", batch=BATCH, head="learned")
    if request.param == "deep":  # a turn ends in two layers at once, and the second is cut less
        return export_small(folder, SIZES, slices="2x6", block_layers="all", block_output="scaled", batch=BATCH)
    if request.param == "one":  # layers take turns, each in a layout of its own
        return exported(normalized_net(folder), folder, batch=BATCH, slices="2x1", block_layers="all", slices_at="one")[2]
    if request.param == "one, learned":  # and each of them moves the head, of whole numbers
        options = {"slices": "2x1", "block_layers": "2", "slices_at": "one", "head": "learned", "latent": "int8"}
        return export_small(folder, (40, 8, 6, 4), batch=BATCH, **options)
    return export_small(folder, SIZES, optimizer=request.param, batch=BATCH)


def normalized_net(folder: Path) -> Graph:
    """A convolution whose batch normalization keeps running statistics, and a classifier."""
    builder = ModelBuilder(IMAGE)
    x = builder.conv("input", (2, 3))
    statistics = (builder.vector(0.5, 1.0, 1.5), builder.weight(3), builder.weight(3), builder.vector(1.0, 1.0, 1.0))
    x = builder.node("Relu", (builder.node("BatchNormalization", (x, *statistics)),))
    return builder.load(folder, builder.dense(builder.node("Flatten", (x,)), 60, SIZES[-1]))


def samples(step: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(step)
    return rng.normal(0, 1, (BATCH, SIZES[0])), rng.integers(0, SIZES[-1], BATCH)


def train(device: Device, last_step: int | None = None) -> list[bytes]:
    """Go on to the end, each block with a number of steps of its own; return the state after every step."""
    states = []
    while (progress := device.progress()).block < progress.num_blocks:
        if progress.step == STEPS_A_BLOCK:
            device.next_block()
        elif progress.total_steps == last_step:
            break
        else:
            x, y = samples(100 * progress.block + progress.step)
            device.step(x, y, 0.05)
        states.append(device.words.tobytes())
    return states


def state_of(device: Device) -> bytes:
    """Everything that training depends on, wherever it lies: progress, scales, statistics, records, derived tensors."""
    layout = device.model.source.layout
    headers = device.words[: 2 * layout.header_words].reshape(2, -1)
    newest = headers[int(np.argmax(headers[:, 3]))]
    followed = newest[8 : min(layer.map for layer in layout.layers.values())]
    derived = device.words[2 * layout.header_words : layout.step_nbytes // 4]
    layers = device.model.source.stored.layers
    records = [device.record(layer.name, index).tobytes() for layer in layers for index in range(layer.grid.count)]
    return b"".join([newest[4:7].tobytes(), followed.tobytes(), derived.tobytes(), *records])


def test_at_every_write(model: ExportedModel) -> None:
    whole = Device(model).start(TURN)
    train(whole)
    expected = state_of(whole)
    writes = count_writes(model)
    assert writes > 50  # seven turns, each some records, a header, bits, sums and biases; and the first state
    for cut in range(1, writes + 1):
        device = Device(model, writes_left=cut)
        with pytest.raises(PowerCut):
            device.start(TURN)
            train(device)
        device.writes_left = None
        status = device.init()
        if status == STATE:  # the first state was not whole yet
            device.start(TURN)
        else:
            assert status == OK
            device.rotate(TURN)
        train(device)
        assert state_of(device) == expected, f"cut at write {cut} of {writes}"


def count_writes(model: ExportedModel) -> int:
    device = Device(model, writes_left=10**9)
    device.start(TURN)
    train(device)
    assert device.writes_left is not None
    return 10**9 - device.writes_left


def test_a_save_changes_nothing(model: ExportedModel) -> None:
    """Saved after every step, and begun anew from the storage each time: the same state as in one go."""
    whole = Device(model).start(TURN)
    train(whole)
    device = Device(model).start(TURN)
    while (progress := device.progress()).block < progress.num_blocks:
        train(device, progress.total_steps + 1)
        device.save()
        device.arena[:] = 0xFFFFFFFF
        device.check(device.init())
        device.rotate(TURN)
    assert state_of(device) == state_of(whole)


@pytest.mark.parametrize("part", ["none", "half", "what steps read"])
def test_a_storage_that_is_mapped_in_part(part: str, model: ExportedModel) -> None:
    nbytes = {"none": 0, "half": model.program.step_nbytes // 8 * 4, "what steps read": model.program.step_nbytes}[part]
    mapped, read = Device(model).start(TURN), Device(model, mapped_nbytes=nbytes).start(TURN)
    train(mapped)
    train(read)
    assert state_of(read) == state_of(mapped)
    x = np.random.default_rng(0).normal(0, 1, (5, SIZES[0]))
    np.testing.assert_array_equal(read.predict(x), mapped.predict(x))


def test_the_test_sees_a_state_that_is_not_whole(model: ExportedModel) -> None:
    """Without what `tfoa_init` does again, some cuts leave bits that do not follow the latent values."""
    whole = Device(model).start(TURN)
    train(whole)
    layout = model.source.layout
    first = next(iter(layout.layers.values()))
    assert first.bits is not None
    whole.words[first.bits // 4] ^= 1
    other = Device(model).start(TURN)
    train(other)
    assert state_of(whole) != state_of(other)
