"""Bytes of the storage that change by themselves: a state that is not what was written is reported, never used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.c99.exported import DAMAGED, OK, STATE, Device, ExportedModel
from tests.c99.trained_pair import export_small, exported
from tests.emit.conv_models import conv_model
from tests.small_models import load_model

INPUTS = 48
CASES: dict[str, dict[str, Any]] = {
    "bits": {"slices": "2x2"},
    "real": {"slices": "3x2", "optimizer": "adam", "binarize": "none"},
    "momentum": {"slices": "1x5", "optimizer": "momentum"},
    "whole": {"slices": "1x1"},
    "learned": {"slices": "2x2", "head": "learned", "optimizer": "adam"},
}
EVERY = 7  # bytes from one that is flipped to the next: coprime to a word's, so that every byte of a word is met


@pytest.fixture(scope="module", params=[*CASES, "conv"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """A device whose headers are both of the same block, so that an older one is not the state."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "conv":
        model = exported(load_model(conv_model(), folder), folder, batch=2, slices="2x2")[2]
    else:
        model = export_small(folder, (INPUTS, 12, 4), **CASES[request.param])
    device = Device(model).start(rotate_every=2)
    for step in range(9):
        device.step(*samples(model, step), 0.1)
    device.save()
    return device


def samples(model: ExportedModel, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (2, model.program.input_size)), rng.integers(0, model.program.output_size, 2)


def on_storage(device: Device, words: NDArray[Any]) -> tuple[int, Device]:
    """The status of a start on other words."""
    other = Device(device.model)
    other.words = words
    return other.init(), other


def flipped(device: Device, byte: int) -> NDArray[Any]:
    words = device.words.copy()
    words.view(np.uint8)[byte] ^= 1 << byte % 8
    return words


def test_a_flipped_bit_anywhere_is_found_or_is_of_no_use(trained: Device) -> None:
    x, _ = samples(trained.model, 100)
    expected, newest = trained.predict(x), newest_header(trained)
    found = 0
    for byte in range(0, trained.words.nbytes, EVERY):
        status, device = on_storage(trained, flipped(trained, byte))
        assert status in (OK, STATE, DAMAGED)
        if status == OK and byte // 4 in newest:
            # As a power cut in the middle of it: the state before, which lacks the last turn, if that is whole.
            assert device.progress().total_steps == trained.progress().total_steps - 1
        elif status == OK:
            # The free slots, what is behind a short record, the older header, and what is written anew at a start.
            np.testing.assert_array_equal(device.predict(x), expected)
            assert device.progress().total_steps == trained.progress().total_steps
        found += status != OK
    assert found > trained.words.nbytes // EVERY // 3  # a layer that is not cut has as much free as it uses, beside the headers


def newest_header(device: Device) -> range:
    """Its words."""
    header_words = device.model.source.layout.header_words
    first = int(np.argmax([device.words[3], device.words[header_words + 3]])) * header_words
    return range(first, first + header_words)


def used_bytes(device: Device) -> NDArray[Any]:
    """Bytes that the state is, beside its header: what steps read, and the records in use."""
    source, words = device.model.source, device.words
    layout = source.layout
    used, newest = np.zeros(len(words), dtype=np.bool_), newest_header(device)[0]
    used[layout.headers_nbytes // 4 : layout.step_nbytes // 4] = True
    for layer in source.stored.layers:
        kept = layout.layers[layer.name]
        for index in range(layer.grid.count):
            start = (kept.slots + int(words[newest + kept.map + index]) * kept.slot_nbytes) // 4
            used[start : start + source.stored.record_words(layer, index)] = True
    return np.flatnonzero(np.repeat(used, 4))


def test_a_flipped_bit_of_the_state_is_always_found(trained: Device) -> None:
    """Or mended: what follows from the record of the turn that ended last is written anew at every start."""
    statuses = []
    for byte in used_bytes(trained)[::EVERY]:
        status, device = on_storage(trained, flipped(trained, int(byte)))
        assert status == DAMAGED or np.array_equal(device.words, trained.words), byte
        statuses.append(status)
    assert statuses.count(DAMAGED) > len(statuses) // 2


def test_a_record_that_is_damaged_while_it_waits_is_not_trained_on(tmp_path: Path) -> None:
    device = Device(export_small(tmp_path, (INPUTS, 12, 4))).start(rotate_every=1)
    device.step(*samples(device.model, 0), 0.1)
    kept = device.model.source.layout.layers["fc1"]
    device.words[(kept.slots + 1 * kept.slot_nbytes) // 4] ^= 1  # slice 1, which is next
    with pytest.raises(AssertionError, match=str(DAMAGED)):
        device.step(*samples(device.model, 1), 0.1)


def test_the_first_state_has_its_headers_twice(tmp_path: Path) -> None:
    device = Device(export_small(tmp_path)).start()
    header_words = device.model.source.layout.header_words
    for place in (0, header_words):
        words = device.words.copy()
        words[place + 5] ^= 1
        assert on_storage(device, words)[0] == OK
